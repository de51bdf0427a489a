// Portkey listens on every interface and has no setting for it. Loaded before it with `node --require`,
// this gives each listener that names only a port the address of this machine alone.
const { Server } = require("node:net");

const listen = Server.prototype.listen;
Server.prototype.listen = function listenOnLoopback(...args) {
  const [first] = args;
  if (typeof first === "number" && typeof args[1] !== "string") args.splice(1, 0, "127.0.0.1");
  else if (typeof first === "object" && first !== null && !first.host)
    args[0] = { ...first, host: "127.0.0.1" };
  return listen.apply(this, args);
};
