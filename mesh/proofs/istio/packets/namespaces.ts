/** Pods as network namespaces on one switch, with the redirection that a sidecar's init does. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Every namespace and interface of a run begins with it. */
const prefix = "wpm-";
/** `ip netns exec` lays the files of this folder's sub-folders over those of /etc. */
const etcDir = "/etc/netns";

/** The user that Envoy runs as: what it sends is not redirected to itself. */
export const envoyUser = 1337;

/** The switch's address, which is every pod's route to the rest. */
const gatewayIp = "10.77.0.1";

/** The namespace of a pod. */
export function namespaceOf(pod: string): string {
  return `${prefix}${pod}`;
}

/** Runs one command; throws with what it said. */
export function sh(line: string): void {
  const { exitCode, stderr, stdout } = Bun.spawnSync(["bash", "-ec", line]);
  if (exitCode !== 0) {
    throw new Error(`${line}: ${stderr.toString()}${stdout.toString()}`);
  }
}

/** The switch that pods are plugged into. */
export function createSwitch(): void {
  const ns = namespaceOf("switch");
  sh(`ip netns add ${ns}
ip -n ${ns} link add br0 type bridge
ip -n ${ns} addr add ${gatewayIp}/24 dev br0
ip -n ${ns} link set br0 up`);
}

/** A pod's namespace: an address on the switch, and the names that it can resolve. */
export function createPod(pod: {
  readonly name: string;
  readonly ip: string;
  /**
   * sidecar: TCP goes through Envoy in both directions, as Istio's init container arranges; router:
   * Envoy is what the pod is; none: no Envoy.
   */
  readonly envoy: "sidecar" | "router" | "none";
  /** Lines of its /etc/hosts. */
  readonly hosts: string;
}): void {
  const ns = namespaceOf(pod.name);
  // Interface names have 15 characters at most: the address's last number is shorter than a name.
  const port = `${prefix}${pod.ip.split(".").at(-1)}`;
  sh(`ip netns add ${ns}
ip link add eth0 netns ${ns} type veth peer name ${port} netns ${namespaceOf("switch")}
ip -n ${namespaceOf("switch")} link set ${port} master br0 up
ip -n ${ns} addr add ${pod.ip}/24 dev eth0
ip -n ${ns} link set eth0 up
ip -n ${ns} link set lo up
ip -n ${ns} route add default via ${gatewayIp}`);
  mkdirSync(join(etcDir, ns), { recursive: true });
  writeFileSync(join(etcDir, ns, "hosts"), `127.0.0.1 localhost\n${pod.hosts}`);
  // Nobody listens there: a name that is not in the file is refused at once, and not after a wait.
  writeFileSync(join(etcDir, ns, "resolv.conf"), "nameserver 127.0.0.1\n");
  if (pod.envoy === "sidecar") {
    redirect(ns);
  } else if (pod.envoy === "router") {
    // Its user is not root, and it listens on 443.
    sh(`ip netns exec ${ns} sysctl -qw net.ipv4.ip_unprivileged_port_start=0`);
  }
}

function redirect(ns: string): void {
  const rules = [
    "-A PREROUTING -p tcp -j REDIRECT --to-ports 15006",
    // What Envoy hands to its application comes from this address.
    "-A OUTPUT -o lo -s 127.0.0.6/32 -j RETURN",
    `-A OUTPUT -o lo -m owner ! --uid-owner ${envoyUser} -j RETURN`,
    `-A OUTPUT -m owner --uid-owner ${envoyUser} -j RETURN`,
    "-A OUTPUT -d 127.0.0.1/32 -j RETURN",
    "-A OUTPUT -p tcp -j REDIRECT --to-ports 15001",
  ];
  sh(rules.map((rule) => `ip netns exec ${ns} iptables -w -t nat ${rule}`).join("\n"));
}

/**
 * Lets others reach what listens on loopback inside a pod: `ip:port` becomes `127.0.0.1:to`, and
 * callers come from there too, because a database may trust nobody else.
 */
export function publish(pod: string, port: number, to: number): void {
  const ns = namespaceOf(pod);
  sh(`ip netns exec ${ns} sysctl -qw net.ipv4.conf.all.route_localnet=1
ip netns exec ${ns} iptables -w -t nat -A PREROUTING -p tcp --dport ${port} -j DNAT --to-destination 127.0.0.1:${to}
ip netns exec ${ns} iptables -w -t nat -A INPUT -p tcp --dport ${to} -j SNAT --to-source 127.0.0.1`);
}
