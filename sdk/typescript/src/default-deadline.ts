import type { DescMethodUnary } from "@bufbuild/protobuf";
import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import type { Transport } from "@connectrpc/connect";

/**
 * withDefaultDeadline gives each unary call without a deadline one of `timeoutMs`, and on top of it the time that the
 * call asks the server to wait (`wait_timeout`). Streams are left without: they end when either side ends them. A
 * transport is wrapped, because interceptors come too late to set a deadline.
 */
export function withDefaultDeadline(transport: Transport, timeoutMs: number): Transport {
  return {
    unary(method, signal, ownTimeoutMs, header, input, contextValues) {
      const deadlineMs = ownTimeoutMs ?? timeoutMs + waitMs(method, input);
      return transport.unary(method, signal, deadlineMs, header, input, contextValues);
    },
    stream: transport.stream.bind(transport),
  };
}

function waitMs(method: DescMethodUnary, input: object): number {
  if (method.input.field.waitTimeout === undefined) return 0;
  const wait = (input as { waitTimeout?: Partial<Duration> }).waitTimeout;
  return wait ? durationMs({ seconds: wait.seconds ?? 0n, nanos: wait.nanos ?? 0 } as Duration) : 0;
}
