import type { IncomingHttpHeaders } from "node:http";
import { type ContextKey, createContextKey, type HandlerContext } from "@connectrpc/connect";

/** Call is what the server knows of one RPC beside its messages. One object per call, filled in as the call proceeds. */
export interface Call {
  /** The caller's `x-request-id`, or a new one; sent back as a response header. */
  readonly requestId: string;
  /** Address and port of the other end of the connection. */
  readonly peer: string;
  /** `grpc`, `grpc-web` or `connect`. */
  protocol: string;
  /** False while the request is still being decoded: a failure then is seen by no interceptor. */
  reachedInterceptors: boolean;
  /** The body so far, kept for JSON requests until they are decoded, to find the field that could not be. */
  jsonBody: Uint8Array[] | undefined;
  /** What tells that nobody waits for the call any more, where that can be had without making its AbortSignal. */
  readonly abandonment: Abandonment | undefined;
}

/** Abandonment tells that the deadline of a call has passed or its caller has turned away. */
export interface Abandonment {
  /** Calls the listener, the only one, with the reason when it happens; at once when it has happened. */
  onAbandoned(listener: (reason: unknown) => void): void;
}

/** The header that carries the request id, in both directions. */
export const requestIdHeader = "x-request-id";

/** The longest `x-request-id` that is taken from a caller. */
const requestIdLengthMax = 128;
const wellFormedRequestId = new RegExp(`^[A-Za-z0-9._:/+=@-]{1,${requestIdLengthMax}}$`);

/** The key under which a call's context values hold its {@link Call}. */
export const callKey: ContextKey<Call> = createContextKey<Call>(
  {
    requestId: "",
    peer: "unknown",
    protocol: "unknown",
    reachedInterceptors: false,
    jsonBody: undefined,
    abandonment: undefined,
  },
  { description: "what the server knows of this call" },
);

/** Opens the record of a call. A missing or malformed `x-request-id` is replaced by `newRequestId()`. */
export function openCall(
  request: { headers: IncomingHttpHeaders; peer: string; abandonment?: Abandonment },
  newRequestId: () => string,
): Call {
  const given = request.headers[requestIdHeader];
  return {
    requestId: typeof given === "string" && wellFormedRequestId.test(given) ? given : newRequestId(),
    peer: request.peer,
    protocol: "unknown",
    reachedInterceptors: false,
    jsonBody: undefined,
    abandonment: request.abandonment,
  };
}

/** Takes over what the handler's context knows, and sends the request id back. */
export function attachCall(call: Call, context: HandlerContext): void {
  call.protocol = context.protocolName;
  context.responseHeader.set(requestIdHeader, call.requestId);
}
