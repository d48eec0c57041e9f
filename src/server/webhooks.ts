import type { Settings } from "../config/settings.ts";
import type { RpcDeps } from "../rpc/rpc-deps.ts";
import type { SharedSecrets } from "../store/instance.ts";
import { WebhookSecrets } from "../store/webhook-secrets.ts";
import type { HostBreakers } from "../webhooks/host-breakers.ts";
import { HostPlaces } from "../webhooks/host-places.ts";
import { createStartCaller } from "../webhooks/start-caller.ts";
import { createWebhookClient } from "../webhooks/webhook-client.ts";
import type { EngineMetrics } from "./engine-metrics.ts";
import { createWebhookDeliveries } from "./webhook-deliveries.ts";
import { createWebhookStarts, isOfWebhooks } from "./webhook-starts.ts";

/** What calls webhooks in a server. */
export interface Webhooks {
  /** Begins to call them. */
  start(): void;
  /** Says that these queues have something to start; undefined: any may have. */
  wakeStarts(queues: readonly number[] | undefined): void;
  /** Says that deliveries have been written. */
  wakeDeliveries(): void;
  /** Takes no more, and waits for calls that are under way, at most so long. */
  stop(graceMs: number): Promise<void>;
  /** Closes every connection. */
  close(): Promise<void>;
}

/** Creates the loops that call start webhooks and make deliveries, with the connections and breakers that they share. */
export function createWebhooks(options: {
  readonly deps: RpcDeps;
  readonly settings: Settings;
  readonly secrets: SharedSecrets;
  readonly breakers: HostBreakers;
  readonly metrics: EngineMetrics;
  /** Where receivers reach this server, unless the settings say it. */
  readonly url: string;
  readonly onError: (loop: string) => (error: unknown) => void;
}): Webhooks {
  const { deps, settings, metrics, breakers } = options;
  const { webhookTimeoutMs: timeoutMs, webhookHostConcurrency: perHostMax } = settings;
  const client = createWebhookClient({ guard: deps.urlGuard, timeoutMs });
  const signing = new WebhookSecrets(deps.engine.db);
  const onError = (error: unknown, during: string): void => options.onError(`webhook ${during}`)(error);
  const starts = createWebhookStarts({
    ...{ deps, signing, onError, timeoutMs, caller: createStartCaller({ client }) },
    places: new HostPlaces({ concurrency: settings.startConcurrency, perHostMax, breakers }),
    ...{ secret: options.secrets.handleSecret, hostUrl: settings.hostUrl ?? options.url },
    onCall: (call) => metrics.onWebhookStart(call),
  });
  const deliveries = createWebhookDeliveries({
    ...{ deps, client, signing, onError, timeoutMs },
    places: new HostPlaces({ concurrency: settings.deliveryConcurrency, perHostMax, breakers }),
    onDelivery: ({ outcome }) => metrics.onDelivery(outcome),
  });
  const { dictionaries } = deps.engine;
  return {
    start() {
      starts.start();
      deliveries.start();
    },
    wakeStarts(queues) {
      const own = queues?.filter((queue) => isOfWebhooks(dictionaries.loadedQueue(queue)));
      if (own === undefined || own.length > 0) starts.wake(own);
    },
    wakeDeliveries: () => deliveries.wake(),
    stop: async (graceMs) => void (await Promise.all([starts.stop(graceMs), deliveries.stop(graceMs)])),
    close: () => client.close(),
  };
}
