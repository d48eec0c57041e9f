import { setTimeout as sleep } from "node:timers/promises";
import { type Batch, BatchStatus, GetBatchResponseSchema, TaskStatus, watchEvents } from "@millpond/sdk";
import { CommandFailure } from "../command-failure.ts";
import type { Session } from "../connection/with-server.ts";
import { blockerText } from "../task/blocker-text.ts";
import { failureText } from "../task/task-details.ts";
import { printJson } from "../terminal/print-json.ts";
import { ProgressDisplay } from "../terminal/progress-display.ts";
import { styled } from "../terminal/screen.ts";
import { cut, printable } from "../terminal/text-width.ts";
import { printBatch } from "./batch-details.ts";
import { BatchProgress } from "./batch-progress.ts";

const listedMax = 10;
/** When nothing has begun for so long, the person at the terminal wants to know why. */
const explainAfterMs = 3_000;

/**
 * followBatch shows how a batch goes until it ends, then what came of it. Fails with a CommandFailure unless it ended as
 * SUCCESS.
 */
export async function followBatch(batchId: string, session: Session): Promise<void> {
  const { client, signal, screen, json } = session;
  const progress = new BatchProgress();
  await watch(batchId, progress, session);
  signal.throwIfAborted();
  const answer = await client.batches.getBatch({ batchId }, { signal });
  const { batch } = answer;
  if (json) printJson(GetBatchResponseSchema, answer);
  else if (batch) {
    screen.line("");
    printBatch(screen, batch, Date.now());
    await printFailures(batch, session);
  }
  const status = batch?.status ?? BatchStatus.UNSPECIFIED;
  if (status !== BatchStatus.SUCCESS) throw new CommandFailure(`batch ${batchId} ended as ${BatchStatus[status]}`);
}

async function watch(batchId: string, progress: BatchProgress, session: Session): Promise<void> {
  const { client, signal, screen, json, onTrouble } = session;
  const isOver = new AbortController();
  let display: ProgressDisplay | undefined;
  const request = { filter: { batchIds: [batchId] }, snapshot: true };
  try {
    for await (const message of watchEvents(client, request, { signal, onInterrupted: onTrouble })) {
      progress.take(message);
      if (message.message.case === "snapshotDone" && !json && !progress.ended) {
        display ??= new ProgressDisplay(screen, progress);
        void explainIdleness(progress, session, isOver.signal);
      }
      display?.changed();
      if (progress.ended && message.message.case !== "snapshot") return;
    }
  } finally {
    isOver.abort();
    display?.stop();
  }
}

/** Says once why nothing has begun: the first task that could, as the server explains it. Never rejects. */
async function explainIdleness(progress: BatchProgress, session: Session, isOver: AbortSignal): Promise<void> {
  const { client, screen } = session;
  const signal = AbortSignal.any([session.signal, isOver]);
  try {
    await sleep(explainAfterMs, undefined, { signal });
    const tasks = [...progress.tasks.values()];
    const isIdle = tasks.every(({ status }) => status === TaskStatus.WAITING || status === TaskStatus.PENDING);
    const first = tasks.find(({ status }) => status === TaskStatus.PENDING);
    if (!isIdle || !first) return;
    const { blockers } = await client.tasks.explainTask({ taskId: first.taskId }, { signal });
    for (const blocker of blockers) {
      screen.line(styled(screen, "yellow", printable(`${first.label}: ${blockerText(blocker, Date.now())}`)));
    }
  } catch {
    // It is no more than a hint, and the watch tells of what is wrong.
  }
}

async function printFailures({ batchId, stats }: Batch, { client, signal, screen }: Session): Promise<void> {
  const failed = Number(stats?.byStatus.FAILURE ?? 0n);
  if (failed === 0) return;
  const statuses = [TaskStatus.FAILURE];
  const { tasks } = await client.tasks.listTasks({ batchId, statuses, pageSize: listedMax }, { signal });
  for (const { key, name, taskId, failure } of tasks.toReversed()) {
    const text = `${key || name}  ${taskId}  ${failureText(failure)}`;
    screen.line(`  ${styled(screen, "red", "FAILURE")}  ${cut(text, screen.width - 11)}`);
  }
  if (failed > tasks.length) {
    screen.line(
      styled(
        screen,
        "dim",
        `  and ${failed - tasks.length} more: millpond task list --batch ${batchId} --status FAILURE`,
      ),
    );
  }
}
