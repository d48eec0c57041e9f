import { base64Decode } from "@bufbuild/protobuf/wire";
import { Code } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { wireError } from "../rpc/wire-error.ts";
import { errorResponse, type HttpRouteResponse } from "./http-routes.ts";

/** What the query of a Connect GET comes to: a refusal, or the bytes of its request, and how these are to be read. */
export type ConnectGet =
  | { readonly refusal: HttpRouteResponse }
  | { readonly message: Uint8Array; readonly isBinary: boolean; readonly compression: string };

/** What a query looks like, for whoever has sent another. */
const example = '?connect=v1&encoding=json&message={"page_size":3}, percent-encoded';

/** The HTTP methods that an RPC takes. The RPC library names GET for streams too, and then refuses it. */
export function allowedMethods({ allowedMethods, method }: UniversalHandler): string[] {
  return allowedMethods.filter((allowed) => allowed !== "GET" || method.methodKind === "unary");
}

/**
 * Reads the query of a GET to an RPC that takes it, as far as the RPC library answers it with a bare status, takes what is
 * wrong with it for a defect of the server, or does not look.
 */
export function readConnectGet({ service, method }: UniversalHandler, query: URLSearchParams): ConnectGet {
  const refuse = (field: string, description: string, status?: number): ConnectGet => ({
    refusal: errorResponse(
      wireError(Code.InvalidArgument, `${service.typeName}/${method.name}: ${field} ${description}`, {
        reason: "INVALID_FIELD",
        violations: [{ field, description }],
      }),
      status,
    ),
  });
  const [version, encoding, message] = ["connect", "encoding", "message"].map((name) => query.get(name));
  if (version !== null && version !== "v1") {
    return refuse("connect", `${shown(version)} is no version of the protocol that this server has: give v1`);
  }
  if (encoding !== "json" && encoding !== "proto") {
    const given = encoding === null ? "is missing" : `${shown(encoding)} is not accepted`;
    return refuse("encoding", `${given}: give json or proto, as in ${example}`, 415);
  }
  if (message == null) return refuse("message", `is missing: give the request, as in ${example}`);
  let bytes: Uint8Array;
  try {
    bytes = query.get("base64") === "1" ? base64Decode(message) : new TextEncoder().encode(message);
  } catch {
    // The only thing that decoding can find.
    return refuse("message", "is not base64, which base64=1 says that it is");
  }
  return { message: bytes, isBinary: encoding === "proto", compression: query.get("compression") ?? "identity" };
}

/** A value as it was given, but not all of a long one. */
function shown(value: string | undefined): string {
  const text = value ?? "";
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
