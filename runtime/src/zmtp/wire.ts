/** Byte streams over TCP and Unix sockets: the only file here that knows Bun's sockets. */
import { unlinkSync } from "node:fs";
import { messageOf, WarmpathError } from "../base/index.ts";
import { type Address, endpointOf } from "./endpoint.ts";

/** One open byte stream. */
export interface Wire {
  /** Writes what the kernel takes now and says how many bytes that were. */
  write(bytes: Uint8Array): number;
  /** Closes after what was written; `onClose` follows. */
  close(): void;
}

/** Who is told about a byte stream. */
export interface WireHandlers {
  onData(bytes: Uint8Array): void;
  /** The kernel takes bytes again. */
  onDrain(): void;
  /** Called once, whoever closed. */
  onClose(): void;
}

/** Makes the handlers of a stream that has just opened. */
export type OnOpen = (wire: Wire) => WireHandlers;

/** A listening address. */
export interface WireListener {
  /** The endpoint to connect to, with the port that was taken. */
  readonly endpoint: string;
  close(): void;
}

interface SocketData {
  handlers: WireHandlers | undefined;
}

/** Listens; throws `rejected-port-busy`. A dead socket file in the way is replaced. */
export async function listenWire(address: Address, onOpen: OnOpen): Promise<WireListener> {
  if (address.kind === "tcp") {
    const server = listen(address, onOpen);
    const bound = { ...address, port: "port" in server ? server.port : address.port };
    return { endpoint: endpointOf(bound), close: () => server.stop(true) };
  }
  if (!(await isAlive(address))) removeFile(address.path);
  const server = listen(address, onOpen);
  return {
    endpoint: endpointOf(address),
    close() {
      server.stop(true);
      removeFile(address.path);
    },
  };
}

/** Connects once; rejects when nobody listens. */
export async function dialWire(address: Address, onOpen: OnOpen): Promise<void> {
  const socket = socketHandlers(onOpen);
  if (address.kind === "ipc") {
    await Bun.connect({ unix: address.path, socket, data: { handlers: undefined } });
  } else {
    const { hostname, port } = address;
    await Bun.connect({ hostname, port, socket, data: { handlers: undefined } });
  }
}

function listen(address: Address, onOpen: OnOpen) {
  const socket = socketHandlers(onOpen);
  try {
    return address.kind === "ipc"
      ? Bun.listen<SocketData>({ unix: address.path, socket })
      : Bun.listen<SocketData>({ hostname: address.hostname, port: address.port, socket });
  } catch (error) {
    const message = `cannot listen on ${endpointOf(address)}: ${messageOf(error)}`;
    throw new WarmpathError("rejected-port-busy", message, { cause: error });
  }
}

function socketHandlers(onOpen: OnOpen): Bun.SocketHandler<SocketData> {
  return {
    binaryType: "uint8array",
    open(socket) {
      const data: SocketData = { handlers: undefined };
      // Set first: what `onOpen` writes may already close the socket.
      socket.data = data;
      socket.setNoDelay(true);
      data.handlers = onOpen({
        write: (bytes) => socket.write(bytes),
        close: () => void socket.end(),
      });
    },
    data: (socket, bytes) => socket.data.handlers?.onData(bytes),
    drain: (socket) => socket.data.handlers?.onDrain(),
    close: (socket) => socket.data.handlers?.onClose(),
    error: (socket) => void socket.end(),
    connectError: () => undefined,
  };
}

/** True when somebody listens behind a socket file; a process that died leaves the file behind. */
async function isAlive(address: Address): Promise<boolean> {
  const ignored: WireHandlers = {
    onData: () => undefined,
    onDrain: () => undefined,
    onClose: () => undefined,
  };
  try {
    await dialWire(address, (wire) => {
      wire.close();
      return ignored;
    });
    return true;
  } catch {
    return false;
  }
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It was not there.
  }
}
