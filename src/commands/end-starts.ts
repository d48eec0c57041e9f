import { deliveriesWake } from "../domain/delivery.ts";
import { openGates } from "../store/deliveries.ts";
import type { Engine } from "./engine.ts";

/** Says that the start calls of attempts that have ended are over: what tells of these ends, and has waited for that, is called now. */
export async function endStarts(
  engine: Pick<Engine, "db" | "committed">,
  attempts: readonly { readonly id: bigint; readonly attempt: number }[],
): Promise<void> {
  if ((await openGates(engine.db, attempts)) > 0) engine.committed([deliveriesWake]);
}
