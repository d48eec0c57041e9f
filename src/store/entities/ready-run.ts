import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint } from "./column-kinds.ts";

/** ReadyRun is tasks of consecutive ids that may start now and have not been taken: `id` and the `tasks` - 1 that follow it. They stand here or as {@link Ready}, not as both. */
export const ReadyRun = defineEntity({
  name: "ReadyRun",
  tableName: "ready_run",
  properties: {
    queue: p.integer().primary(),
    rank: p.smallint().primary(),
    id: bigint().primary(),
    tasks: p.integer(),
  },
});
