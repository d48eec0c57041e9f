import type { Socket } from "node:net";

/** What a connection speaks: HTTP/2 with prior knowledge, or else HTTP/1.1. */
export type WireProtocol = "http1" | "http2";

/** What every HTTP/2 client sends first. */
const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/**
 * Reads from a new connection until its bytes are, or can no longer become, the preface of HTTP/2, puts them back and
 * reports the protocol. A connection that ends, fails or stays undecided for `timeoutMs` is closed and never reported.
 */
export function sniffProtocol(
  socket: Socket,
  options: { timeoutMs: number; onProtocol: (protocol: WireProtocol, socket: Socket) => void },
): void {
  let seen: Buffer = Buffer.alloc(0);
  const timer = setTimeout(abandon, options.timeoutMs);
  socket.on("readable", onReadable);
  socket.on("error", abandon);
  socket.on("end", abandon);
  socket.on("close", release);

  function onReadable(): void {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const length = Math.min(seen.length, preface.length);
    const mayBeHttp2 = seen.subarray(0, length).equals(preface.subarray(0, length));
    if (mayBeHttp2 && length < preface.length) return;
    release();
    socket.unshift(seen);
    options.onProtocol(mayBeHttp2 ? "http2" : "http1", socket);
  }

  function abandon(): void {
    socket.destroy();
  }

  function release(): void {
    clearTimeout(timer);
    socket.off("readable", onReadable);
    socket.off("error", abandon);
    socket.off("end", abandon);
    socket.off("close", release);
  }
}
