import type { IncomingHttpHeaders } from "node:http2";
import type { DescMethod } from "@bufbuild/protobuf";
import type { Compression } from "@connectrpc/connect/protocol";
import { contentTypeProto, parseTimeout } from "@connectrpc/connect/protocol-grpc";
import { openCall } from "../call.ts";
import { Cancellation } from "./cancellation.ts";
import type { Compressions } from "./compressions.ts";
import { Exchange } from "./exchange.ts";
import type { FastPathParts } from "./fast-path-parts.ts";
import { initialTrailers } from "./grpc-answer.ts";

/** A gRPC request whose headers say nothing unusual. */
export interface GrpcRequest {
  readonly headers: IncomingHttpHeaders;
  readonly timeoutMs: number | undefined;
  readonly decompression: Compression | undefined;
  readonly compression: Compression | undefined;
}

/** Reads the headers of a gRPC request; undefined when it is for the RPC library to answer, because it is unusual or wrong. */
export function readGrpcRequest(
  headers: IncomingHttpHeaders,
  { compressions, timeoutMaxMs }: { compressions: Compressions; timeoutMaxMs: number },
): GrpcRequest | undefined {
  const contentType = headers["content-type"];
  if (contentType !== "application/grpc" && contentType !== contentTypeProto) return undefined;
  if (headers[":method"] !== "POST" || headers.expect !== undefined) return undefined;
  const decompression = compressions.named(headers["grpc-encoding"] as string | undefined);
  if (decompression === "unknown") return undefined;
  let timeoutMs: number | undefined;
  const timeout = headers["grpc-timeout"] as string | undefined;
  if (timeout !== undefined) {
    const parsed = parseTimeout(timeout, timeoutMaxMs);
    if (parsed.error !== undefined || !(parsed.timeoutMs! > 0)) return undefined;
    timeoutMs = parsed.timeoutMs;
  }
  const compression = compressions.accepted(headers["grpc-accept-encoding"] as string | undefined, decompression);
  return { headers, timeoutMs, decompression, compression };
}

/** Opens the exchange of a gRPC call. */
export function openGrpcExchange(
  { headers, compression }: GrpcRequest,
  connection: { method: DescMethod; peer: string; url: string; parts: FastPathParts },
): Exchange {
  const { method, peer, url, parts } = connection;
  const cancellation = new Cancellation(parts.shutdown);
  const call = openCall({ headers, peer, abandonment: cancellation }, parts.newRequestId);
  call.protocol = "grpc";
  const responseHeaders = compression === undefined ? plainHeaders : compressedHeaders(compression);
  return new Exchange({
    ...{ call, cancellation, method, url, responseHeaders, isJson: false },
    requestHeaders: headers,
    responseTrailers: initialTrailers,
  });
}

const plainHeaders = { "content-type": contentTypeProto };

function compressedHeaders({ name }: Compression): Record<string, string> {
  return { ...plainHeaders, "grpc-encoding": name };
}
