import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../system/free-port.ts";
import { spawnBackground } from "../system/spawn-process.ts";

/** A running nginx, or why there is none. */
export type NginxProgram =
  | { readonly path: string; readonly version: string }
  | { readonly absent: string };

/**
 * Finds nginx; may install Debian's `nginx-light` where this process is root and that was allowed.
 */
export async function findNginx(mayInstall: boolean): Promise<NginxProgram> {
  const path = installedPath();
  if (path !== undefined) return { path, version: await versionOf(path) };
  const howTo = "install Debian's nginx-light, or have nginx on the PATH";
  const canInstall = mayInstall && process.getuid?.() === 0 && existsSync("/usr/bin/apt-get");
  if (!canInstall) return { absent: `nginx: not run: not installed (${howTo})` };
  process.stderr.write("nginx: installing nginx-light …\n");
  const code = await aptInstall();
  const installed = installedPath();
  if (installed !== undefined) return { path: installed, version: await versionOf(installed) };
  return { absent: `nginx: not run: apt-get ended with status ${code} (${howTo})` };
}

/** Starts nginx as a plain reverse proxy with kept-alive connections; one worker, no logs. */
export async function startNginx(options: {
  readonly path: string;
  readonly upstreamUrl: string;
  readonly core?: number;
}): Promise<{ url: string; pid: number; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), "warmpath-bench-nginx-"));
  const port = await freePort();
  const config = join(folder, "nginx.conf");
  writeFileSync(config, configText(port, new URL(options.upstreamUrl).host, folder));
  // Reading to the end of the input is waiting for the bench to close the pipe, or to die.
  const shell = 'nginx=$1; config=$2; "$nginx" -c "$config" & cat >/dev/null; kill $!; wait';
  const child = spawnBackground({
    command: ["/bin/sh", "-c", shell, "sh", options.path, config],
    ...(options.core === undefined ? {} : { core: options.core }),
  });
  const stop = async () => {
    await child.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; tries < 100; tries++) {
    // Refused while nginx is not listening yet.
    const isUp = await fetch(`${url}/health`).then(
      (response) => response.ok,
      () => false,
    );
    if (isUp) return { url, pid: child.pid, stop };
    await Bun.sleep(50);
  }
  await stop();
  throw new Error(`nginx did not get ready; it said: ${child.said()}`);
}

function installedPath(): string | undefined {
  const onPath = Bun.which("nginx");
  if (onPath !== null) return onPath;
  return existsSync("/usr/sbin/nginx") ? "/usr/sbin/nginx" : undefined;
}

async function versionOf(path: string): Promise<string> {
  const child = Bun.spawn([path, "-v"], { stdout: "ignore", stderr: "pipe" });
  const said = await new Response(child.stderr).text();
  return /nginx\/(\S+)/.exec(said)?.[1] ?? "unknown version";
}

async function aptInstall(): Promise<number> {
  const child = Bun.spawn(["apt-get", "install", "-y", "--no-install-recommends", "nginx-light"], {
    // RUNLEVEL keeps the package from starting the service.
    env: { ...process.env, RUNLEVEL: "1", DEBIAN_FRONTEND: "noninteractive" },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  return child.exited;
}

function configText(port: number, upstream: string, folder: string): string {
  return `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log warn;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  client_max_body_size 16m;
  client_body_buffer_size 1m;
  keepalive_requests 1000000;
  upstream engine {
    server ${upstream};
    keepalive 256;
    keepalive_requests 1000000;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://engine;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }
  }
}
`;
}
