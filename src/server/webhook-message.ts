import { create, fromJson, type JsonValue, toJson, toJsonString } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { HttpMethod, type Webhook as WebhookMessage, WebhookSchema } from "../gen/millpond/v1/webhook_pb.ts";
import type { Webhook } from "../webhooks/webhook-request.ts";
import { jsonBytesMax, valueText } from "../wire/json.ts";

/** Reads a webhook as it is called. */
export function decodeWebhook({ url, method, headers, body }: WebhookMessage): Webhook {
  const [name] = Object.entries(HttpMethod).find(([name, value]) => value === method && name !== "UNSPECIFIED") ?? [];
  return {
    ...{ url, method: name as Webhook["method"], headers },
    ...(body === undefined ? {} : { body: toJson(ValueSchema, body) }),
  };
}

/** Writes a webhook as ProtoJSON, for the database. Throws for a body that could not be stored; `field` names the webhook then. */
export function webhookText({ url, method = "POST", headers = {}, body }: Webhook, field: string): string {
  // It was parsed from JSON.
  const value = body === undefined ? undefined : fromJson(ValueSchema, body as JsonValue);
  valueText(value, { field: `${field}.body`, bytesMax: jsonBytesMax.webhookBody });
  const message = create(WebhookSchema, { url, method: HttpMethod[method], headers });
  if (value !== undefined) message.body = value;
  return toJsonString(WebhookSchema, message);
}
