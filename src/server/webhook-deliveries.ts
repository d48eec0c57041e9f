import { type ClaimedDelivery, type DeliveryOutcome, DeliveryState } from "../domain/delivery.ts";
import { namesOf, type RpcDeps } from "../rpc/rpc-deps.ts";
import { claimDeliveries, nextDeliveryDue, settleDeliveries } from "../store/deliveries.ts";
import type { WebhookSecrets } from "../store/webhook-secrets.ts";
import { callDelivery, type DeliveryCall } from "../webhooks/delivery-call.ts";
import { DeliveryLoop } from "../webhooks/delivery-loop.ts";
import type { HostPlaces } from "../webhooks/host-places.ts";
import type { WebhookClient } from "../webhooks/webhook-client.ts";
import { deliveryWebhook } from "../wire/delivery.ts";
import { deliveryBody, deliveryEvent, triggerName } from "../wire/delivery-body.ts";
import type { Names } from "../wire/task.ts";
import { decodeWebhook } from "./webhook-message.ts";

/** What calls webhooks because something ended. */
export interface WebhookDeliveriesOptions {
  readonly deps: RpcDeps;
  readonly client: WebhookClient;
  readonly places: HostPlaces;
  readonly signing: WebhookSecrets;
  /** How long one call may take. */
  readonly timeoutMs: number;
  readonly onError: (error: unknown, during: string) => void;
  /** Hears of each attempt that was recorded. */
  readonly onDelivery: (delivery: { readonly outcome: "delivered" | "failed" | "exhausted" }) => void;
}

/** How much longer than a call its lease is: for what comes before it, and for storing what came of it. */
const leaseSlackMs = 60_000;

const outcomeNames = {
  [DeliveryState.PENDING]: "failed",
  [DeliveryState.DELIVERED]: "delivered",
  [DeliveryState.EXHAUSTED]: "exhausted",
} as const;

/** A delivery that was taken, with its call; or why there is none: the webhook cannot be read, or this server could not look up what belongs to it. */
type PreparedDelivery = ClaimedDelivery & {
  readonly prepared: DeliveryCall | { readonly defect: unknown } | { readonly failure: unknown };
};

/** Creates the loop that takes deliveries that are due, calls their webhooks and records what it came to. */
export function createWebhookDeliveries(options: WebhookDeliveriesOptions): DeliveryLoop<PreparedDelivery> {
  const { deps, client, places, signing, onError } = options;
  const { db } = deps.engine;
  let afterHost: string | undefined;
  return new DeliveryLoop<PreparedDelivery>({
    claim: async () => {
      const limits = { ...places.limits(), perHost: places.perHostMax };
      const leaseMs = options.timeoutMs + leaseSlackMs;
      const claimed = await claimDeliveries(db, { max: places.free, leaseMs, limits, afterHost });
      afterHost = claimed.reduce((last, { host }) => (host > last ? host : last), "");
      // What has been taken fails alone, and is tried again soon: to fail here would leave all of it to its lease.
      return prepareAll(deps, signing, claimed).catch((failure: unknown) =>
        claimed.map((delivery) => ({ ...delivery, prepared: { failure } })),
      );
    },
    call: async ({ prepared }, signal): Promise<DeliveryOutcome> => {
      if ("failure" in prepared) throw prepared.failure;
      if (!("defect" in prepared)) return callDelivery({ client }, prepared, signal);
      onError(prepared.defect, "delivery call");
      return { kind: "refused", status: 0, message: "the webhook cannot be read" };
    },
    settle: async (results) => void (await settleDeliveries(db, results)),
    nextDueInMs: (exceptHosts) => nextDeliveryDue(db, exceptHosts),
    onResult: ({ state }) => options.onDelivery({ outcome: outcomeNames[state as keyof typeof outcomeNames] }),
    onError: (error, during) => onError(error, `delivery ${during}`),
    places,
  });
}

async function prepareAll(
  deps: RpcDeps,
  signing: Pick<WebhookSecrets, "of">,
  claimed: readonly ClaimedDelivery[],
): Promise<PreparedDelivery[]> {
  const rows = claimed.flatMap(({ queue, worker }) => (queue === null ? [] : [{ queue, worker }]));
  const names = await namesOf(deps, rows);
  return Promise.all(
    claimed.map(async (delivery) => {
      const secrets = await signing.of(delivery.namespaceId);
      return { ...delivery, prepared: prepare(delivery, names, secrets) };
    }),
  );
}

/** The call of a delivery; one that cannot be made fails alone. */
function prepare(
  delivery: ClaimedDelivery,
  names: Names,
  secrets: readonly Uint8Array[],
): DeliveryCall | { readonly defect: unknown } {
  const { taskId, attempt } = delivery;
  try {
    const message = deliveryWebhook(delivery);
    const webhook = decodeWebhook(message);
    const { body } = message;
    return {
      deliveryId: names.ids.encode(delivery.id),
      ...{ secrets, batchId: names.ids.encode(delivery.batchId) },
      trigger: triggerName(delivery.trigger),
      task: taskId === 0n ? undefined : { id: names.ids.encode(taskId), attempt },
      webhook: body === undefined ? webhook : { ...webhook, body: deliveryBody(body, delivery, names) },
      defaultBody: body === undefined ? deliveryEvent(delivery, names) : "",
    };
  } catch (defect) {
    return { defect };
  }
}
