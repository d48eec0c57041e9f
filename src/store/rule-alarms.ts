import type { Micros } from "../domain/task.ts";
import type { Database, Statement } from "./database.ts";

const alarmsStatement: Statement = {
  name: "fire_alarms",
  text: "select o_next, (select t.due from timer t order by t.due limit 1) timer from mp_fire_alarms()",
};

/** Looks at rules whose windows have room again; answers when the next alarm or timer is due. */
export async function fireAlarms(db: Pick<Database, "write">): Promise<Micros | undefined> {
  const [row] = await db.write<{ o_next: Micros | null; timer: Micros | null }>(alarmsStatement, []);
  const due = [row?.o_next, row?.timer].filter((time) => time !== null && time !== undefined);
  return due.length === 0 ? undefined : Math.min(...due);
}

const sweepHoldsStatement: Statement = { name: "sweep_holds", text: "select o_more more from mp_sweep_holds($1)" };

/** Forgets who was let in by rules together where all of them have left, at most so many times; answers whether there is more. */
export async function sweepHolds(db: Pick<Database, "write">, max: number): Promise<boolean> {
  return (await db.write<{ more: boolean }>(sweepHoldsStatement, [max]))[0]?.more ?? false;
}

/** What a look at lanes has found. */
export interface RuleSweep {
  /** The last lane that it looked at; null: there are no more. */
  readonly last: bigint | null;
  /** Whether tasks have ever had rules. */
  readonly hasRules: boolean;
}

const sweepStatement: Statement = {
  name: "sweep_rules",
  text: `select mp_sweep_rules($1, $2) last, exists (select from rule) "hasRules"`,
};

/** Offers what is blocked in the lanes after one although there is room for it. */
export async function sweepRules(db: Pick<Database, "write">, after: bigint, max: number): Promise<RuleSweep> {
  return (await db.write<RuleSweep>(sweepStatement, [after, max]))[0] ?? { last: null, hasRules: false };
}
