import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Socket } from "node:net";

/** A request of Node.js's HTTP servers, of either version. */
export type NodeRequest = IncomingMessage | Http2ServerRequest;

/** The response that belongs to a {@link NodeRequest}. */
export type NodeResponse = ServerResponse | Http2ServerResponse;

/** Answers one request. It must not throw: whatever goes wrong is answered or ends the stream. */
export type NodeHandler = (request: NodeRequest, response: NodeResponse) => void;

/** The part of a request's target before the query. */
export function pathOf(request: NodeRequest): string {
  return (request.url ?? "").split("?", 1)[0] ?? "";
}

/** The query of a request's target. */
export function queryOf(request: NodeRequest): URLSearchParams {
  const url = request.url ?? "";
  const at = url.indexOf("?");
  return new URLSearchParams(at < 0 ? "" : url.slice(at + 1));
}

/** The address and port of the other end, as far as the connection still knows them. */
export function peerOf(request: NodeRequest): string {
  // The types of node:http do not say that an HTTP/2 request loses its socket with its session.
  return peerOfSocket(request.socket as Socket | undefined);
}

/** The address and port of the other end of a connection, as far as it still knows them. */
export function peerOfSocket(socket: Pick<Socket, "remoteAddress" | "remotePort"> | undefined): string {
  const address = socket?.remoteAddress;
  if (address === undefined) return "unknown";
  return address.includes(":") ? `[${address}]:${socket?.remotePort}` : `${address}:${socket?.remotePort}`;
}
