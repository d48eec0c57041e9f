import { GetBatchResponseSchema } from "@millpond/sdk";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { withServer } from "../connection/with-server.ts";
import { printJson } from "../terminal/print-json.ts";
import { printBatch } from "./batch-details.ts";

/** getBatch is what `millpond batch get` does. */
export async function getBatch(batchId: string, options: ConnectionOptions): Promise<void> {
  await withServer(options, async ({ client, signal, screen, json }) => {
    const answer = await client.batches.getBatch({ batchId }, { signal });
    if (json) printJson(GetBatchResponseSchema, answer);
    else if (answer.batch) printBatch(screen, answer.batch, Date.now());
  });
}
