import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import {
  type Health,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus,
  HealthCheckResponseSchema,
  type HealthListResponse,
  HealthListResponseSchema,
} from "../gen/grpc/health/v1/health_pb.ts";
import type { Readiness } from "./readiness.ts";

/** How often a watch looks whether readiness has changed; the probe itself is shared by all watches. */
const watchIntervalMs = 1_000;

/**
 * Creates gRPC health checking v1 over readiness: the server as a whole (`""`) and each of its services are SERVING when
 * it is ready and NOT_SERVING when it is not or is stopping. List gives them all. Check answers NOT_FOUND for a service that does not exist;
 * Watch says SERVICE_UNKNOWN and stays open, as the protocol asks.
 */
export function createHealthService(
  readiness: Readiness,
  serviceNames: () => ReadonlySet<string>,
): ServiceImpl<typeof Health> {
  async function statusOf(service: string): Promise<HealthCheckResponse_ServingStatus> {
    if (service !== "" && !serviceNames().has(service)) return HealthCheckResponse_ServingStatus.SERVICE_UNKNOWN;
    const { ok } = await readiness.check();
    return ok ? HealthCheckResponse_ServingStatus.SERVING : HealthCheckResponse_ServingStatus.NOT_SERVING;
  }

  async function check({ service }: { service: string }): Promise<HealthCheckResponse> {
    const status = await statusOf(service);
    if (status === HealthCheckResponse_ServingStatus.SERVICE_UNKNOWN) {
      throw new ConnectError(`this server has no service ${JSON.stringify(service)}`, Code.NotFound);
    }
    return create(HealthCheckResponseSchema, { status });
  }

  async function list(): Promise<HealthListResponse> {
    const statuses: HealthListResponse["statuses"] = {};
    for (const service of ["", ...serviceNames()]) statuses[service] = await check({ service });
    return create(HealthListResponseSchema, { statuses });
  }

  async function* watch(
    { service }: { service: string },
    { signal }: HandlerContext,
  ): AsyncGenerator<HealthCheckResponse> {
    let last: HealthCheckResponse_ServingStatus | undefined;
    for (;;) {
      const status = await statusOf(service);
      if (status !== last) yield create(HealthCheckResponseSchema, { status });
      last = status;
      signal.throwIfAborted();
      await pause([signal, readiness.draining]);
    }
  }

  return { check, list, watch };
}

/** Waits for the interval, or until a signal that has not fired yet fires. */
function pause(signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, watchIntervalMs);
    for (const signal of signals) signal.addEventListener("abort", done);
  });
}
