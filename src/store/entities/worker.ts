import { defineEntity, p } from "@mikro-orm/postgresql";
import { time } from "./column-kinds.ts";
import { Namespace } from "./namespace.ts";

/** Worker is the name of a worker under a number, so that hot rows hold four bytes of it. */
export const Worker = defineEntity({
  name: "Worker",
  tableName: "worker",
  properties: {
    id: p.integer().primary().generated("identity"),
    namespaceId: p
      .manyToOne(Namespace)
      .mapToPk()
      .name("namespace_id")
      .foreignKeyName("worker_namespace_fkey")
      .updateRule("no action"),
    name: p.text(),
    createTime: time().defaultRaw("now()"),
  },
  uniques: [{ name: "worker_name_key", properties: ["namespaceId", "name"] }],
});
