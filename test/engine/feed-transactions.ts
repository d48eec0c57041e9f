import assert from "node:assert/strict";
import { BatchStatus, type Event, type MillpondClient, TaskStatus } from "@millpond/sdk";
import { batchHasEnded, hasEnded } from "./reference-model.ts";

/** What one transaction did, as the feed tells it: for each task and batch that it changed, from what to what. */
export interface Transaction {
  readonly id: string;
  readonly tasks: ReadonlyMap<string, Move<TaskStatus>>;
  readonly batches: ReadonlyMap<string, Move<BatchStatus>>;
  /** Tasks that were edited. */
  readonly edited: readonly string[];
}

/** How something moved in a transaction. */
export interface Move<Status> {
  readonly from: Status;
  readonly to: Status;
  readonly attempt: number;
  /** How often it ended. */
  readonly ends: number;
}

/** Reads what the feed tells of some batches after a cursor, in pages. */
export async function readEvents(
  client: MillpondClient,
  batchIds: readonly string[],
  after: string,
): Promise<{ readonly events: readonly Event[]; readonly cursor: string }> {
  const events: Event[] = [];
  for (let cursor = after; ; ) {
    const page = await client.events.listEvents({ filter: { batchIds: [...batchIds] }, cursor });
    if (page.events.length === 0) return { events, cursor };
    events.push(...page.events);
    cursor = page.nextCursor;
  }
}

/** Puts events together by the transaction that made them, in the order of the feed. */
export function transactionsOf(events: readonly Event[], names: ReadonlyMap<string, string>): Transaction[] {
  const groups = Map.groupBy(events, ({ eventId }) => eventId.split("-")[0] as string);
  return [...groups].map(([id, group]) => {
    const tasks = new Map<string, Move<TaskStatus>>();
    const batches = new Map<string, Move<BatchStatus>>();
    const edited: string[] = [];
    for (const { taskId, batchId, payload, eventId } of group) {
      const name = names.get(taskId === "" ? batchId : taskId) ?? `${taskId} of ${batchId}`;
      if (payload.case === "taskCreated")
        follow(tasks, name, { move: { from: 0, to: payload.value.status, attempt: 0 }, hasEnded, eventId });
      if (payload.case === "taskStatusChanged") follow(tasks, name, { move: payload.value, hasEnded, eventId });
      if (payload.case === "batchStatusChanged")
        follow(batches, name, { move: { ...payload.value, attempt: 0 }, hasEnded: batchHasEnded, eventId });
      if (payload.case === "taskUpdated") edited.push(name);
    }
    return { id, tasks, batches, edited };
  });
}

/** Adds a move to those of a transaction, where it goes on from the one before. */
function follow<Status>(
  moves: Map<string, Move<Status>>,
  name: string,
  {
    move,
    hasEnded,
    eventId,
  }: { move: Omit<Move<Status>, "ends">; hasEnded: (status: Status) => boolean; eventId: string },
): void {
  const before = moves.get(name);
  if (before !== undefined) assert.equal(move.from, before.to, `${name} goes on from where it was (${eventId})`);
  const ends = (before?.ends ?? 0) + (hasEnded(move.to) ? 1 : 0);
  moves.set(name, { from: before?.from ?? move.from, to: move.to, attempt: move.attempt, ends });
}

/** What a transaction changed, one line for each task and batch. */
export function textOf({ tasks, batches }: Transaction): string {
  const lines = [
    ...[...tasks].map(([name, move]) => lineOf(name, { ...move, names: TaskStatus })),
    ...[...batches].map(([name, move]) => lineOf(name, { ...move, names: BatchStatus })),
  ];
  return lines.flat().sort().join("\n");
}

/** A line about one task or batch; none where nothing came of what happened to it. */
export function lineOf(
  name: string,
  { from, to, attempt, ends, names }: Move<number> & { readonly names: Readonly<Record<number, string>> },
): string[] {
  return from === to && ends === 0 ? [] : [`${name}: ${names[from]} -> ${names[to]} (${attempt})`];
}
