import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { Http2SessionManager } from "@connectrpc/connect-node";

type Options = ConstructorParameters<typeof Http2SessionManager>[1];

/** What the server may send ahead of being read: of one answer, and of all answers of a connection. */
const streamWindowBytes = 1024 * 1024;
const connectionWindowBytes = 4 * streamWindowBytes;

/**
 * WideSessionManager manages an HTTP/2 connection that takes large answers in one go. With HTTP/2's own window of 64 KiB,
 * the answer to a claim of 1,000 tasks stops several times for the client to ask for more.
 */
export class WideSessionManager extends Http2SessionManager {
  #widened: WeakSet<ClientHttp2Session> = new WeakSet();

  constructor(url: string, options: Options) {
    super(url, options, { settings: { initialWindowSize: streamWindowBytes } });
  }

  override async request(...args: Parameters<Http2SessionManager["request"]>): Promise<ClientHttp2Stream> {
    const stream = await super.request(...args);
    const session = stream.session as ClientHttp2Session | undefined;
    if (session && !this.#widened.has(session)) {
      this.#widened.add(session);
      session.setLocalWindowSize(connectionWindowBytes);
    }
    return stream;
  }
}
