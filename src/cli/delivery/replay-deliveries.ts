import { create } from "@bufbuild/protobuf";
import { ReplayDeliveriesResponseSchema } from "@millpond/sdk";
import { CommandFailure, exitCodes } from "../command-failure.ts";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { type Session, withServer } from "../connection/with-server.ts";
import { printJson } from "../terminal/print-json.ts";

interface Options extends ConnectionOptions {
  readonly task?: string;
  readonly batch?: string;
  readonly host?: string;
}

/** The contract's bound of one call. */
const idsMax = 1_000;
/** How many deliveries to a host one call replays. */
const hostCallMax = 10_000n;

/** replayDeliveries is what `millpond delivery replay` does. */
export async function replayDeliveries(deliveryIds: readonly string[], options: Options): Promise<void> {
  const { task, batch, host } = options;
  const selections = [deliveryIds[0], task, batch, host].filter((value) => value !== undefined);
  if (selections.length !== 1) {
    throw misuse("say what is replayed, in one way: ids of deliveries, --task, --batch or --host");
  }
  if (deliveryIds.length > idsMax) {
    throw misuse(`${deliveryIds.length} deliveries are more than one call takes, all or none: give at most ${idsMax}`);
  }
  await withServer(options, async (session) => {
    const request = { deliveryIds: [...deliveryIds], taskId: task ?? "", batchId: batch ?? "", host: host ?? "" };
    const replayedCount = await replay(request, session);
    if (session.json) {
      return printJson(ReplayDeliveriesResponseSchema, create(ReplayDeliveriesResponseSchema, { replayedCount }));
    }
    const what = replayedCount === 1n ? "delivery is" : "deliveries are";
    session.screen.line(`${replayedCount} ${what} due again, with a fresh budget of attempts.`);
  });
}

/** A host may have more than one call replays: then it is called again. */
async function replay(
  request: { deliveryIds: string[]; taskId: string; batchId: string; host: string },
  { client, signal }: Session,
): Promise<bigint> {
  let total = 0n;
  for (;;) {
    const { replayedCount } = await client.deliveries.replayDeliveries(request, { signal });
    total += replayedCount;
    if (request.host === "" || replayedCount < hostCallMax) return total;
  }
}

function misuse(message: string): CommandFailure {
  return new CommandFailure(message, exitCodes.misuse);
}
