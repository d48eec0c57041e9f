import type { Validator } from "@bufbuild/protovalidate";
import type { Interceptor } from "@connectrpc/connect";
import type { Logger } from "pino";
import type { RpcMetrics } from "../rpc-metrics.ts";
import { type ErrorMapper, errors } from "./errors.ts";
import { metrics } from "./metrics.ts";
import { requestIdAndAccessLog } from "./request-id-and-access-log.ts";
import { validation } from "./validation.ts";

/**
 * The interceptors of every call, outermost first: a request passes them in this order and its answer in the reverse.
 * Logs and metrics are outside of errors so that they see the code that goes out; validation is innermost so that its
 * refusals are logged and counted like any other failure. A unary request or response is passed on as it is, or as a new
 * object that names its parts: on the fast path some of them are getters, which `{ ...request }` would lose.
 */
export const interceptorOrder = ["requestIdAndAccessLog", "metrics", "errors", "validation"] as const;

/** What the interceptors work with. */
export interface InterceptorParts {
  readonly logger: Logger;
  readonly rpcMetrics: RpcMetrics;
  readonly mapError: ErrorMapper;
  readonly validator: Validator;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** Creates the interceptors in {@link interceptorOrder}. */
export function createInterceptors(parts: InterceptorParts): Interceptor[] {
  const byName: Record<(typeof interceptorOrder)[number], Interceptor> = {
    requestIdAndAccessLog: requestIdAndAccessLog(parts),
    metrics: metrics(parts),
    errors: errors(parts),
    validation: validation(parts),
  };
  return interceptorOrder.map((name) => byName[name]);
}
