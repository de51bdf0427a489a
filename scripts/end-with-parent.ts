// Preloaded into every Bun that the Node launchers start. A launcher that is killed outright cannot
// forward a signal; its child then asks itself to drain and end, so that nothing is left running.

const parentAtStart = process.ppid;
const checkEveryMs = 500;

const timer = setInterval(() => {
  if (process.ppid === parentAtStart) return;
  clearInterval(timer);
  process.kill(process.pid, "SIGTERM");
}, checkEveryMs);
timer.unref();
