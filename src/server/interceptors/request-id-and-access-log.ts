import type { Interceptor } from "@connectrpc/connect";
import type { Logger } from "pino";
import { callKey } from "../call.ts";
import { logCall } from "../log-call.ts";
import { observeCall } from "./observe-call.ts";

/**
 * Writes one line per call, when it has ended: request id, method, protocol, code, duration and peer; never a message or a
 * header. The request id itself is taken from the caller or made when the call is opened (`call.ts`), because a
 * request that cannot be decoded has one too.
 */
export function requestIdAndAccessLog(options: { logger: Logger; now: () => number }): Interceptor {
  return (next) => (request) => {
    const call = request.contextValues.get(callKey);
    call.reachedInterceptors = true;
    call.jsonBody = undefined;
    const startedAt = options.now();
    return observeCall(next, request, (code) =>
      logCall(options.logger, { call, method: request.method, code, durationMs: options.now() - startedAt }),
    );
  };
}
