import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { attachCall, type Call, callKey } from "./call.ts";
import { describeDecodingError } from "./describe-decoding-error.ts";

/** A call that ended before any interceptor saw it, because its request could not be read or decoded. */
export interface UndecodedCall {
  readonly call: Call;
  /** `millpond.v1.TaskService/CreateTasks` */
  readonly method: HandlerContext["method"];
  readonly code: Code;
}

/**
 * Ends a call that no interceptor saw: gives the error, if that is what ended it, its details, and reports the call. The
 * body is the request's bytes, when it was JSON and they are at hand.
 */
export type EndUndecoded = (
  ended: { call: Call; method: HandlerContext["method"] },
  cause: { reason: unknown; body?: Uint8Array | undefined },
) => void;

/** Creates {@link EndUndecoded}, which reports to `onUndecoded`. */
export function createEndUndecoded(onUndecoded: (undecoded: UndecodedCall) => void): EndUndecoded {
  return ({ call, method }, { reason, body }) => {
    const error = reason instanceof ConnectError ? reason : undefined;
    if (error !== undefined) describeDecodingError(error, { input: method.input, body });
    onUndecoded({ call, method, code: error?.code ?? Code.Canceled });
  };
}

/**
 * Creates what runs on every call before its request is read. It attaches the {@link Call} to the context; and when a
 * call ends that no interceptor saw, it ends it with `endUndecoded`. The library aborts the context's signal with the error just before it encodes it, and the listeners
 * of a signal run at once: that makes this the one place that holds for every protocol.
 */
export function createRequestGate(endUndecoded: EndUndecoded): (context: HandlerContext) => void {
  return (context) => {
    const call = context.values.get(callKey);
    attachCall(call, context);
    const onEnd = () => {
      if (call.reachedInterceptors) return;
      const { method, signal } = context;
      endUndecoded({ call, method }, { reason: signal.reason, body: joined(call.jsonBody) });
    };
    context.signal.addEventListener("abort", onEnd, { once: true });
  };
}

function joined(chunks: readonly Uint8Array[] | undefined): Uint8Array | undefined {
  return chunks === undefined ? undefined : Buffer.concat(chunks);
}
