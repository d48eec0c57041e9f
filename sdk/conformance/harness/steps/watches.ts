import type { CaseContext } from "../case-context.ts";
import type { Step } from "../case-file.ts";
import { differences } from "../differences.ts";
import { expectOrBegin } from "../outcome.ts";

interface Event {
  readonly eventId: string;
  readonly taskId?: string;
  readonly taskStatusChanged?: { readonly from?: string; readonly to: string };
  readonly batchStatusChanged?: { readonly from?: string; readonly to: string };
}

interface Message {
  readonly cursor?: string;
  readonly snapshot?: { readonly tasks?: readonly unknown[]; readonly batches?: readonly unknown[] };
  readonly events?: { readonly events?: readonly Event[] };
}

const collectMs = 110_000;

/** `watch: NAME`, `filter?`, `cursor?`, `snapshot?`, `silenceMaxMs?`: begins a watch. */
export async function watch(context: CaseContext, step: Step): Promise<void> {
  const { filter, cursor, snapshot, silenceMaxMs } = context.variables.fill(step) as Record<string, unknown>;
  const client = context.scoped(typeof step.by === "string" ? step.by : "client");
  const name = context.scoped(String(step.watch));
  await context.runner.ask("watch.open", { client, watch: name, filter, cursor, snapshot, silenceMaxMs });
}

/**
 * `collect: NAME`, `until`: reads a watch until a message, or an event in one, is as `until` says. It answers `{changes, tasks, batches, cursor}`: the changes of status, such as `a: PENDING > RUNNING`
 * and `batch: ACTIVE > SUCCESS`, what the snapshot held, and the last cursor. No event may come twice.
 */
export async function collect(context: CaseContext, step: Step): Promise<void> {
  const until = context.variables.fill(step.until);
  await expectOrBegin(context, step, async () => {
    const seen = new Set<string>();
    const collected = { changes: [] as string[], tasks: [] as unknown[], batches: [] as unknown[], cursor: "" };
    for (;;) {
      const message = await nextMessage(context, String(step.collect), collected.changes);
      const events = message.events?.events ?? [];
      for (const { eventId } of events) {
        if (seen.has(eventId)) throw new Error(`event ${eventId} came twice`);
        seen.add(eventId);
      }
      collected.changes.push(...events.flatMap((event) => changeOf(context, event)));
      collected.tasks.push(...(message.snapshot?.tasks ?? []));
      collected.batches.push(...(message.snapshot?.batches ?? []));
      if (message.cursor !== undefined) collected.cursor = message.cursor;
      if ([message, ...events].some((each) => differences(until, each).length === 0)) return collected;
    }
  });
}

async function nextMessage(context: CaseContext, name: string, changes: readonly string[]): Promise<Message> {
  const answer = await context.runner.ask("watch.next", { watch: context.scoped(name), timeoutMs: collectMs });
  if (answer.message !== undefined) return answer.message as Message;
  throw new Error(`the watch ${answer.end ? "ended" : "brought nothing more"}; it had seen ${JSON.stringify(changes)}`);
}

function changeOf(context: CaseContext, event: Event): string[] {
  const bare = (status: string | undefined) => (status ?? "").replace(/^(TASK|BATCH)_STATUS_/, "");
  const { taskStatusChanged: task, batchStatusChanged: batch, taskId = "" } = event;
  if (task) return [`${context.keys.get(taskId) ?? taskId}: ${bare(task.from)} > ${bare(task.to)}`];
  return batch ? [`batch: ${bare(batch.from)} > ${bare(batch.to)}`] : [];
}

/** `unwatch: NAME`: leaves a watch. */
export async function unwatch(context: CaseContext, step: Step): Promise<void> {
  await context.runner.ask("watch.close", { watch: context.scoped(String(step.unwatch)) });
}
