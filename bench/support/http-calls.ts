import { connect, type Socket } from "node:net";

/** HttpRequest is a request that is sent again and again. */
export interface HttpRequest {
  readonly url: string;
  readonly path: string;
  readonly method: "POST" | "GET";
  /** JSON. */
  readonly body?: string;
}

/** HttpAnswer is what a request was answered with. */
export interface HttpAnswer {
  readonly status: number;
  /** The body as a text. Made when it is asked for. */
  readonly body: () => string;
}

interface Waiting {
  readonly resolve: (answer: HttpAnswer) => void;
  readonly reject: (error: Error) => void;
}

interface Head {
  readonly status: number;
  readonly bodyAt: number;
  /** Of the body; undefined: it comes in chunks. */
  readonly length: number | undefined;
}

const headEnd = "\r\n\r\n";
const lastChunk = Buffer.from("\r\n0\r\n\r\n");

/**
 * HttpCalls sends one request again and again on one keep-alive connection of HTTP/1.1, one at a time, with no more work than that needs, as the processor is
 * shared with the server that is measured. A connection that the server has closed between two calls is made anew. The body of an answer that comes in chunks is told
 * with their lengths in it.
 */
export class HttpCalls {
  readonly #address: { readonly host: string; readonly port: number };
  readonly #request: Buffer;
  #socket: Socket | undefined;
  /** What has come of the answer. */
  #pieces: Buffer[] = [];
  #bytes = 0;
  #head: Head | undefined;
  #waiting: Waiting | undefined;

  constructor({ url, path, method, body }: HttpRequest) {
    const { hostname, port, host } = new URL(url);
    this.#address = { host: hostname, port: Number(port) };
    const head = [`${method} ${path} HTTP/1.1`, `host: ${host}`];
    if (body !== undefined) head.push("content-type: application/json", `content-length: ${Buffer.byteLength(body)}`);
    this.#request = Buffer.from(head.join("\r\n") + headEnd + (body ?? ""));
  }

  /** Sends the request, and resolves with its answer. The answer before must be there. */
  call(): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket ??= this.#connect();
      this.#socket.write(this.#request);
    });
  }

  #connect(): Socket {
    const socket = connect({ ...this.#address, noDelay: true });
    const end = (error: Error) => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.#waiting?.reject(error);
    };
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.on("error", end);
    socket.on("close", () => end(new Error("the connection was closed in the middle of a call")));
    return socket;
  }

  #onData(chunk: Buffer): void {
    this.#pieces.push(chunk);
    this.#bytes += chunk.length;
    if (this.#head === undefined) {
      const bytes = Buffer.concat(this.#pieces);
      this.#pieces = [bytes];
      this.#head = readHead(bytes);
      if (this.#head === undefined) return;
    }
    const { status, bodyAt, length } = this.#head;
    // What comes in chunks ends with an empty one.
    const isWhole =
      length === undefined
        ? Buffer.concat(this.#pieces.slice(-2)).subarray(-lastChunk.length).equals(lastChunk)
        : this.#bytes >= bodyAt + length;
    if (!isWhole) return;
    const pieces = this.#pieces;
    const waiting = this.#waiting;
    this.#pieces = [];
    this.#bytes = 0;
    this.#head = undefined;
    this.#waiting = undefined;
    waiting?.resolve({ status, body: () => Buffer.concat(pieces).toString("utf8", bodyAt) });
  }
}

/** Reads the head of an answer; undefined: it is not whole. */
function readHead(bytes: Buffer): Head | undefined {
  const end = bytes.indexOf(headEnd);
  if (end === -1) return undefined;
  const head = bytes.toString("latin1", 0, end);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  return {
    ...{ status: Number(head.slice(9, 12)), bodyAt: end + headEnd.length },
    length: length === undefined ? undefined : Number(length),
  };
}
