import type { IncomingMessage } from "node:http";
import type { Compression } from "@connectrpc/connect/protocol";
import { contentTypeUnaryJson, contentTypeUnaryProto, parseTimeout } from "@connectrpc/connect/protocol-connect";
import type { Compressions } from "./compressions.ts";

/** A unary request of the Connect protocol whose headers say nothing unusual. */
export interface ConnectRequest {
  readonly isBinary: boolean;
  readonly timeoutMs: number | undefined;
  /** How many bytes the body has, if the request says so. */
  readonly contentLength: number | undefined;
  readonly compression: Compression | undefined;
}

/** Reads the headers of a unary Connect request; undefined when it is for the RPC library to answer, because it is unusual or wrong. */
export function readConnectRequest(
  { method, headers }: IncomingMessage,
  limits: { compressions: Compressions; timeoutMaxMs: number; maxMessageBytes: number },
): ConnectRequest | undefined {
  const contentType = headers["content-type"];
  const isBinary = contentType === contentTypeUnaryProto;
  if (method !== "POST" || !(isBinary || contentType === contentTypeUnaryJson)) return undefined;
  if (headers["content-encoding"] !== undefined) return undefined;
  const { "content-length": length } = headers;
  const contentLength = length === undefined ? undefined : Number(length);
  if (contentLength !== undefined && !(contentLength <= limits.maxMessageBytes)) return undefined;
  let timeoutMs: number | undefined;
  const timeout = headers["connect-timeout-ms"] as string | undefined;
  if (timeout !== undefined) {
    const parsed = parseTimeout(timeout, limits.timeoutMaxMs);
    if (parsed.error !== undefined || !(parsed.timeoutMs! > 0)) return undefined;
    timeoutMs = parsed.timeoutMs;
  }
  const compression = limits.compressions.accepted(headers["accept-encoding"] as string | undefined, undefined);
  return { isBinary, timeoutMs, contentLength, compression };
}
