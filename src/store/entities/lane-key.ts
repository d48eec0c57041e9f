import { defineEntity } from "@mikro-orm/postgresql";
import { bigint } from "./column-kinds.ts";

/** LaneKey says which lanes a key is in. */
export const LaneKey = defineEntity({
  name: "LaneKey",
  tableName: "lane_key",
  properties: {
    keyId: bigint().primary(),
    lane: bigint().primary(),
  },
});
