import type { MillpondClient } from "@millpond/sdk";

/** How long the stop of an interrupted batch may take. */
const stopTimeoutMs = 3_000;

/**
 * stopBatch stops the batch of a command that is broken off. Nothing is left to do when it fails: what brought us here is told,
 * and the batch can be stopped by hand.
 */
export async function stopBatch(client: MillpondClient, batchId: string): Promise<void> {
  const request = { batchId, reason: "the command that ran it was stopped" };
  await client.batches.stopBatch(request, { timeoutMs: stopTimeoutMs }).catch(() => undefined);
}
