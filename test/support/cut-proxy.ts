import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A TCP proxy whose connections can be cut, and refused until it is mended: a database, or a server, that is away. */
export interface CutProxy extends AsyncDisposable {
  readonly port: number;
  cut(): void;
  mend(): void;
  /** Lets nothing through any more by the connections that there are, without ending them: somebody in between has gone. */
  stall(): void;
}

/** Looks at what comes back on one connection; true: the connection is to break now, before that gets through. */
export type AnswerBreaker = (chunk: Buffer) => boolean;

/** Starts a proxy to a port of this machine. `breaker` is called for each connection. */
export async function startCutProxy(targetPort: number, breaker?: () => AnswerBreaker): Promise<CutProxy> {
  const sockets = new Set<Socket>();
  let away = false;
  const server = createServer((inward) => {
    if (away) {
      inward.resetAndDestroy();
      return;
    }
    const outward = connect(targetPort, "127.0.0.1");
    const breaks = breaker?.();
    if (breaks) {
      outward.on("data", (chunk: Buffer) => {
        if (!breaks(chunk)) return;
        inward.destroy();
        outward.destroy();
      });
    }
    for (const [socket, other] of [
      [inward, outward],
      [outward, inward],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => {
    away = true;
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as { port: number }).port,
    cut,
    mend: () => {
      away = false;
    },
    stall: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    [Symbol.asyncDispose]: async () => {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}
