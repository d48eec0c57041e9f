import type { Registry } from "prom-client";
import type { HttpRoute } from "./http-routes.ts";
import type { Readiness } from "./readiness.ts";

/**
 * Creates the routes that operators and orchestrators ask: `/healthz` is 200 while the process works; `/readyz` is 200
 * while the server can serve, else 503 with the reason; `/metrics` is for Prometheus.
 */
export function createProbeRoutes(options: {
  readonly readiness: Readiness;
  readonly registry: Registry;
  /** Default: that of the registry. */
  readonly metricsText?: (() => Promise<string>) | undefined;
}): HttpRoute[] {
  const { readiness, registry, metricsText = () => registry.metrics() } = options;
  return [
    {
      methods: ["GET"],
      path: "/healthz",
      quiet: true,
      handle: async () => ({ status: 200, body: { status: "ok" } }),
    },
    {
      methods: ["GET"],
      path: "/readyz",
      quiet: true,
      handle: async () => {
        const { ok, detail } = await readiness.check();
        return { status: ok ? 200 : 503, body: { status: ok ? "ready" : "not ready", detail } };
      },
    },
    {
      methods: ["GET"],
      path: "/metrics",
      quiet: true,
      handle: async () => ({
        status: 200,
        headers: { "content-type": registry.contentType },
        body: await metricsText(),
      }),
    },
  ];
}
