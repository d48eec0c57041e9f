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
 * Creates what runs on every call before its request is read. It attaches the {@link Call} to the context; and when a
 * call ends that no interceptor saw, it gives the error its details and reports it. The library aborts the context's signal with that error just before it encodes it, and the listeners
 * of a signal run at once: that makes this the one place that holds for every protocol.
 */
export function createRequestGate(onUndecoded: (undecoded: UndecodedCall) => void): (context: HandlerContext) => void {
  return (context) => {
    const call = context.values.get(callKey);
    attachCall(call, context);
    const onEnd = () => {
      if (call.reachedInterceptors) return;
      const reason: unknown = context.signal.reason;
      const error = reason instanceof ConnectError ? reason : undefined;
      if (error !== undefined) {
        describeDecodingError(error, { input: context.method.input, body: joined(call.jsonBody) });
      }
      onUndecoded({ call, method: context.method, code: error?.code ?? Code.Canceled });
    };
    context.signal.addEventListener("abort", onEnd, { once: true });
  };
}

function joined(chunks: readonly Uint8Array[] | undefined): Uint8Array | undefined {
  return chunks === undefined ? undefined : Buffer.concat(chunks);
}
