import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { gzipSync } from "node:zlib";
import type { Answer } from "./receiver.ts";

/** A report that would end a task at once, if it were taken. */
export const report = '{"success":{"output":"taken"}}';

/** Answers with a status, and maybe a body and headers. */
export function answer(status: number, body: string | Buffer = "", headers: Record<string, string> = {}): Answer {
  return (response) => response.writeHead(status, headers).end(body);
}

/** Writes bytes to the connection as they are, once the request has arrived; `drop` closes it after them. */
export function bytes(text: string, { drop = false } = {}): Answer {
  return (_response, _call, socket) => {
    if (drop) socket.end(text, () => socket.destroy());
    else socket.write(text);
  };
}

/** Sends the headers and the beginning of a body that never ends, without haste. */
export function trickle(status: number): Answer {
  return (response) => {
    response.writeHead(status).write(report.slice(0, 9));
    const timer = setInterval(() => response.write(" "), 20);
    response.on("close", () => clearInterval(timer));
  };
}

/** Sends a body as fast as it is taken, for ever. */
export function flood(status: number): Answer {
  return (response) => {
    response.writeHead(status);
    const piece = "x".repeat(64 * 1024);
    const pour = (): void => {
      while (!response.destroyed && response.write(piece));
    };
    response.on("drain", pour);
    pour();
  };
}

/** Sends interim answers for ever. */
export const interim: Answer = (response: ServerResponse) => {
  const timer = setInterval(() => response.writeProcessing(), 20);
  response.on("close", () => clearInterval(timer));
};

/** Interim answers before the real one, as servers behind a cache send them. */
export const hinted: Answer = (response) => {
  response.writeProcessing();
  response.writeEarlyHints({ link: "</style.css>; rel=preload" });
  response.end();
};

/** Few bytes that unpack to 64 MB. */
export const bomb: Answer = answer(200, gzipSync(Buffer.alloc(64 * 1024 * 1024)), { "content-encoding": "gzip" });

/** A report, packed although nobody asked for it. */
export const packed: Answer = answer(200, gzipSync(report), { "content-encoding": "gzip" });

/** Drops a new connection before anything of it is read. */
export const drop = (socket: Socket): void => void socket.destroy();
