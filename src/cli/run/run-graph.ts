import { followBatch } from "../batch/follow-batch.ts";
import { CommandFailure, exitCodes } from "../command-failure.ts";
import type { Session } from "../connection/with-server.ts";
import type { GraphFile } from "../graph-file/graph-file.ts";
import { isLarge, submitLarge } from "../graph-file/submit-large.ts";
import { printable } from "../terminal/text-width.ts";
import { stopBatch } from "./stop-batch.ts";

/** runGraph creates the graph of a file as a batch and follows it to its end. Where that is broken off, it stops the batch. */
export async function runGraph(file: GraphFile, session: Session): Promise<void> {
  const { request } = file;
  const { client, signal, screen, json } = session;
  refuseUnrunnable(file);
  const answer = await (isLarge(request)
    ? submitLarge(request, session)
    : client.tasks.createTasks(request, { signal })
  ).catch((error: unknown) => {
    throw file.explain(error) ?? error;
  });
  const { batchId = "", name = "" } = answer.batch ?? {};
  if (!json) screen.line(`Running ${printable(name) || "a graph"}: ${request.tasks.length} tasks as batch ${batchId}`);
  try {
    await followBatch(batchId, session);
  } catch (error) {
    if (signal.aborted) await stopBatch(client, batchId);
    throw error;
  }
}

/** What would never end, or not begin. */
function refuseUnrunnable({ request: { target, validateOnly } }: GraphFile): void {
  const problem = validateOnly
    ? "validate_only creates nothing that could run: `millpond task create --dry-run` checks a file"
    : target.case === "batchId"
      ? "it goes into a batch that exists: `millpond task create` adds to it, and `millpond batch watch` follows it"
      : target.case === "newBatch" && target.value.open
        ? "its batch is open, and would not end before it is sealed: `millpond task create` creates it"
        : target.case === "newBatch" && target.value.paused
          ? "its batch is paused, and nothing in it would start: `millpond task create` creates it"
          : undefined;
  if (problem !== undefined) throw new CommandFailure(`this file cannot be run: ${problem}`, exitCodes.misuse);
}
