import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigints, integers, json, texts, time } from "./column-kinds.ts";
import { Namespace } from "./namespace.ts";

/** WorkerPresence is a worker that is connected, or has asked for tasks lately. */
export const WorkerPresence = defineEntity({
  name: "WorkerPresence",
  tableName: "worker_presence",
  properties: {
    connectTime: time(),
    heartbeatTime: time(),
    expireTime: time(),
    session: p.uuid(),
    namespaceId: p
      .manyToOne(Namespace)
      .primary()
      .mapToPk()
      .name("namespace_id")
      .foreignKeyName("worker_presence_namespace_fkey")
      .updateRule("no action"),
    slots: p.integer(),
    state: p.smallint(),
    streams: p.boolean(),
    name: p.text().primary(),
    kinds: texts(),
    labels: json(),
    runningIds: bigints(),
    runningAttempts: integers(),
  },
});
