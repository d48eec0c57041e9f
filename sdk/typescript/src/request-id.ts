import { randomUUID } from "node:crypto";
import type { Interceptor } from "@connectrpc/connect";

/**
 * requestId fills an empty `request_id` of a call, so that repeating the call cannot do its work twice. The caller's
 * message is not touched: sent again by the caller it is another call.
 */
export const requestId: Interceptor = (next) => (request) => {
  if (request.stream || request.method.input.field.requestId === undefined) return next(request);
  const message = request.message as typeof request.message & { requestId: string };
  if (message.requestId !== "") return next(request);
  const copy = Object.assign(Object.create(Object.getPrototypeOf(message)), message, { requestId: randomUUID() });
  return next({ ...request, message: copy });
};
