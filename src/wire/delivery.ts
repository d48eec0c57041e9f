import { create, fromJson, fromJsonString } from "@bufbuild/protobuf";
import { type Delivery, DeliveryState, DeliveryTrigger } from "../domain/delivery.ts";
import type { IdCodec } from "../domain/ids.ts";
import { type Delivery as DeliveryMessage, DeliverySchema } from "../gen/millpond/v1/delivery_pb.ts";
import { NewTaskSchema } from "../gen/millpond/v1/task_pb.ts";
import { type Webhook, WebhookSchema } from "../gen/millpond/v1/webhook_pb.ts";
import { optionalTimestamp, timestamp } from "./time.ts";

/** Writes a delivery. One whose webhook cannot be read any more has no url. */
export function encodeDelivery(delivery: Delivery, ids: IdCodec): DeliveryMessage {
  const { url, method } = readableWebhook(delivery) ?? { url: "", method: 0 };
  const times = {
    lastAttemptTime: optionalTimestamp(delivery.lastAttemptTime),
    nextAttemptTime: delivery.state === DeliveryState.PENDING ? timestamp(delivery.due) : undefined,
    deliverTime: optionalTimestamp(delivery.deliverTime),
  };
  return create(DeliverySchema, {
    deliveryId: ids.encode(delivery.id),
    taskId: delivery.taskId === 0n ? "" : ids.encode(delivery.taskId),
    batchId: ids.encode(delivery.batchId),
    trigger: delivery.trigger as never,
    ...{ url, method, state: delivery.state as never },
    ...{
      attemptCount: delivery.attempts,
      lastStatusCode: delivery.lastStatusCode,
      lastError: delivery.lastError ?? "",
    },
    createTime: timestamp(delivery.createTime),
    ...Object.fromEntries(Object.entries(times).filter(([, time]) => time !== undefined)),
  });
}

function readableWebhook(delivery: Delivery): Webhook | undefined {
  try {
    return deliveryWebhook(delivery);
  } catch {
    // A row that was changed by hand: the others of its page are shown.
    return undefined;
  }
}

/** Reads the webhook of a delivery out of its source. Throws where there is none. */
export function deliveryWebhook({
  trigger,
  position,
  source,
}: Pick<Delivery, "trigger" | "position" | "source">): Webhook {
  const webhook = webhooksOf(trigger, source ?? "")[trigger === DeliveryTrigger.STOP ? 0 : position];
  if (webhook === undefined) throw new Error("the list of webhooks has none at the delivery's position");
  return webhook;
}

function webhooksOf(trigger: number, source: string): readonly Webhook[] {
  switch (trigger) {
    case DeliveryTrigger.SUCCESS:
      return fromJsonString(NewTaskSchema, source).onSuccess;
    case DeliveryTrigger.FAILURE:
      return fromJsonString(NewTaskSchema, source).onFailure;
    case DeliveryTrigger.CANCELED:
      return fromJsonString(NewTaskSchema, source).onCancel;
    case DeliveryTrigger.BATCH_COMPLETE:
      return (JSON.parse(source) as unknown[]).map((webhook) => fromJson(WebhookSchema, webhook as never));
    default:
      return [fromJsonString(WebhookSchema, source)];
  }
}
