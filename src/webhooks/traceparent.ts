import { randomBytes } from "node:crypto";

/**
 * traceparentOf makes the trace context of a call (W3C Trace Context, 3.2): a new span, sampled, in the trace of a task or batch, whose id is that one's UUID. So all calls
 * of a task are found together.
 */
export function traceparentOf(id: string): string {
  return `00-${id.replaceAll("-", "").toLowerCase()}-${randomBytes(8).toString("hex")}-01`;
}
