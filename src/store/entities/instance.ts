import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint, bytes, time } from "./column-kinds.ts";

/** Instance is one row: what all servers of one database share. */
export const Instance = defineEntity({
  name: "Instance",
  tableName: "instance",
  properties: {
    singleton: p.boolean().primary().default(true),
    uuidSalt: bigint(),
    handleSecret: bytes(),
    createTime: time().defaultRaw("now()"),
    /** Commits up to this number are not kept any more. */
    eventFloor: bigint().defaultRaw("0"),
  },
  checks: [{ name: "instance_singleton", expression: "singleton" }],
});
