import type { ConnectionOptions } from "../connection/client-command.ts";
import { withServer } from "../connection/with-server.ts";
import { followBatch } from "./follow-batch.ts";

/** watchBatch is what `millpond batch watch` does: it ends with the batch. Fails with a CommandFailure unless that succeeded. */
export async function watchBatch(batchId: string, options: ConnectionOptions): Promise<void> {
  await withServer(options, async (session) => {
    // To say at once that there is no such batch: a watch would wait for it.
    await session.client.batches.getBatch({ batchId }, { signal: session.signal });
    await followBatch(batchId, session);
  });
}
