import { defineEntity, p } from "@mikro-orm/postgresql";
import { bytes } from "./column-kinds.ts";

/** Namespace separates tenants; 1 is `default`. */
export const Namespace = defineEntity({
  name: "Namespace",
  tableName: "namespace",
  properties: {
    id: p.integer().primary().autoincrement(false),
    name: p.text(),
    weight: p.integer().default(1),
    webhookSecret: bytes().defaultRaw("sha256((uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())))"),
    previousWebhookSecret: bytes().nullable(),
  },
  checks: [{ name: "namespace_weight_range", expression: "weight >= 1 and weight <= 1000" }],
  uniques: [{ name: "namespace_name_key", properties: ["name"] }],
});
