import type { CommitRow } from "../store/events.ts";
import type { Cursor } from "./cursor.ts";
import type { Selection } from "./selection.ts";

/** WatchGroup is all members that have equal filters. */
export interface WatchGroup<Member> {
  readonly selection: Selection;
  readonly members: Set<Member>;
  lastMessageMs: number;
  /** What its members are being sent: the places of who has not been sent it, and of who has. undefined: all are where the hub is. */
  sending: { readonly round: number; readonly before: Cursor; readonly after: Cursor } | undefined;
}

type Index<Key, Member> = Map<Key, Set<WatchGroup<Member>>>;

/** WatchGroups finds the groups whose filters may select of a commit, by what is narrowest in each: tasks, then batches, then kinds. */
export class WatchGroups<Member extends { readonly selection: Selection }> {
  readonly #groups = new Map<string, WatchGroup<Member>>();
  readonly #byTask: Index<bigint, Member> = new Map();
  readonly #byBatch: Index<bigint, Member> = new Map();
  readonly #byKind: Index<string, Member> = new Map();
  readonly #wide = new Set<WatchGroup<Member>>();
  #size = 0;

  /** How many members there are. */
  get size(): number {
    return this.#size;
  }

  /** Whether the kinds of a commit matter to somebody. */
  get hasKinds(): boolean {
    return this.#byKind.size > 0;
  }

  [Symbol.iterator](): Iterator<WatchGroup<Member>> {
    return this.#groups.values();
  }

  /** All members. */
  members(): Member[] {
    return [...this.#groups.values()].flatMap(({ members }) => [...members]);
  }

  /** Adds a member to those who have its filter. */
  add(member: Member, nowMs: number): void {
    let group = this.#groups.get(member.selection.key);
    if (group === undefined) {
      group = { selection: member.selection, members: new Set(), lastMessageMs: nowMs, sending: undefined };
      this.#groups.set(member.selection.key, group);
      this.#index(group, addTo);
    }
    group.members.add(member);
    this.#size += 1;
  }

  /** Removes a member; answers the group that it was in, if it was. */
  remove(member: Member): WatchGroup<Member> | undefined {
    const group = this.#groups.get(member.selection.key);
    if (group?.members.delete(member) !== true) return undefined;
    this.#size -= 1;
    if (group.members.size === 0) {
      this.#groups.delete(member.selection.key);
      this.#index(group, removeFrom);
    }
    return group;
  }

  /** The groups that may select something of a commit whose tasks are of some kinds. */
  interestedIn(commit: CommitRow, kinds: ReadonlySet<string>): Set<WatchGroup<Member>> {
    const found = new Set(this.#wide);
    collect(found, this.#byTask, commit.task_ids);
    collect(found, this.#byBatch, commit.batch_ids);
    collect(found, this.#byKind, kinds);
    return found;
  }

  #index(group: WatchGroup<Member>, change: typeof addTo): void {
    const { taskIds, batchIds, kinds } = group.selection.filter;
    if (taskIds.size > 0) for (const id of taskIds) change(this.#byTask, id, group);
    else if (batchIds.size > 0) for (const id of batchIds) change(this.#byBatch, id, group);
    else if (kinds.size > 0) for (const kind of kinds) change(this.#byKind, kind, group);
    else if (change === addTo) this.#wide.add(group);
    else this.#wide.delete(group);
  }
}

function collect<Key, Member>(found: Set<WatchGroup<Member>>, index: Index<Key, Member>, keys: Iterable<Key>): void {
  if (index.size === 0) return;
  let last: Key | undefined;
  for (const key of keys) {
    // Most changes of a commit are of one batch.
    if (key === last) continue;
    last = key;
    for (const group of index.get(key) ?? []) found.add(group);
  }
}

function addTo<Key, Member>(index: Index<Key, Member>, key: Key, group: WatchGroup<Member>): void {
  const groups = index.get(key);
  if (groups === undefined) index.set(key, new Set([group]));
  else groups.add(group);
}

function removeFrom<Key, Member>(index: Index<Key, Member>, key: Key, group: WatchGroup<Member>): void {
  const groups = index.get(key);
  groups?.delete(group);
  if (groups?.size === 0) index.delete(key);
}
