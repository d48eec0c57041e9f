import { deliveriesWake } from "../domain/delivery.ts";
import { invalidField } from "../domain/errors.ts";
import { type ReplaySelection, replayDeliveries as writeReplay } from "../store/deliveries.ts";
import { retryTaken } from "../store/requests.ts";
import type { Engine } from "./engine.ts";

/** Makes deliveries due again with a fresh budget, all or none. Fails with INVALID_FIELD for ids that do not exist, and REQUEST_ID_REUSED. */
export async function replayDeliveries(
  engine: Engine,
  command: {
    readonly requestId: string | undefined;
    readonly bodyHash: Buffer;
    readonly selection: ReplaySelection;
  },
): Promise<bigint> {
  const request = { ...command, namespaceId: engine.namespaceId };
  const replayed = await retryTaken(() => writeReplay(engine.db, request, command.selection));
  if (replayed === undefined) throw invalidField("delivery_ids", "holds an id that no delivery has");
  engine.committed([deliveriesWake]);
  return replayed;
}
