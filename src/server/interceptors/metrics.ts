import type { Interceptor } from "@connectrpc/connect";
import type { RpcMetrics } from "../rpc-metrics.ts";
import { observeCall } from "./observe-call.ts";

/** Counts calls, how long they take and how many are under way. */
export function metrics(options: { rpcMetrics: RpcMetrics; now: () => number }): Interceptor {
  return (next) => (request) => {
    const startedAt = options.now();
    options.rpcMetrics.started(request.method);
    return observeCall(next, request, (code) =>
      options.rpcMetrics.ended(request.method, { code, durationMs: options.now() - startedAt }),
    );
  };
}
