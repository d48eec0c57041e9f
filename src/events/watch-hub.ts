import type { Sink } from "../lib/pushed-stream.ts";
import type { Dictionaries } from "../store/dictionaries.ts";
import type { CommitRow } from "../store/events.ts";
import { type Cursor, cursorAfter } from "./cursor.ts";
import type { Feed } from "./feed.ts";
import type { Selection, Selections } from "./selection.ts";
import { type WatchGroup, WatchGroups } from "./watch-groups.ts";
import type { WatchItem } from "./watch-item.ts";

/** What a {@link WatchHub} is made of. */
export interface WatchHubOptions {
  readonly feed: Pick<Feed, "next" | "settled" | "stopped">;
  readonly selections: Pick<Selections, "step">;
  readonly dictionaries: Pick<Dictionaries, "queue">;
  /** Every member is told something at least this often, and up to a second later. */
  readonly checkpointMs: number;
}

/** HubMember is a watcher that has seen everything that the hub has. */
export interface HubMember {
  readonly sink: Sink<WatchItem>;
  readonly selection: Selection;
}

interface Member extends HubMember {
  /** The last round that it has been sent. */
  round: number;
  readonly left: (cursor: Cursor) => void;
}

const commitsPerRead = 100;
/** So many changes are selected before what was found is sent; a larger commit is sent message by message. */
const changesPerRound = 5_000;
/** How long watchers are written to before others have their turn. */
const sliceMs = 5;
const tickMs = 1_000;

/**
 * WatchHub carries all watchers that keep up. It reads the feed once for all of them, finds for each commit the filters that select of it, by their batches, tasks
 * or kinds, and gives each message to all who have that filter as the very same object: so it is read, written and put into bytes once. Watchers of something
 * else cost nothing.
 *
 *     joined ── has not taken what it was sent ──► reads on its own, at its own pace ── has caught up ──► joined
 *
 * A round sends what was found in some commits. Between two rounds all members have seen everything up to `#seq`.
 */
export class WatchHub {
  readonly #options: WatchHubOptions;
  readonly #groups = new WatchGroups<Member>();
  #seq = 0n;
  #round = 0;
  #isSending = false;
  #isRunning = false;
  #waiting: { readonly seq: bigint; readonly resolve: () => void }[] = [];
  #lastTickMs = 0;
  /** Those of the round that is being sent. */
  readonly #sent = new Set<WatchGroup<Member>>();
  readonly #never = new AbortController().signal;

  constructor(options: WatchHubOptions) {
    this.#options = options;
  }

  /** How many watchers have joined. */
  get size(): number {
    return this.#groups.size;
  }

  /** The number up to which all who have joined have been sent everything. */
  get seq(): bigint {
    return this.#seq;
  }

  /**
   * Joins at a place in the feed, behind a whole commit: from then on the sink is written to, until it asks for a pause or `leave` is called; `left` resolves with the
   * place up to which it was. undefined: the hub is further, and the watcher has to read on before; where the hub is behind, it comes first.
   */
  async join(member: HubMember, seq: bigint): Promise<{ leave(): void; readonly left: Promise<Cursor> } | undefined> {
    if (!this.#isRunning) this.#begin(seq);
    while (this.#isSending || this.#seq < seq) {
      if (this.#seq > seq || !this.#isRunning) return undefined;
      await new Promise<void>((resolve) => this.#waiting.push({ seq, resolve }));
    }
    if (this.#seq !== seq) return undefined;
    const { promise, resolve } = Promise.withResolvers<Cursor>();
    const joined: Member = { ...member, round: this.#round, left: resolve };
    this.#groups.add(joined, performance.now());
    return { left: promise, leave: () => this.#leave(joined) };
  }

  #begin(seq: bigint): void {
    this.#seq = seq;
    this.#isRunning = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    try {
      do {
        await this.#pass();
        this.#letIn();
        // Whoever was let in joins in this turn.
        await Promise.resolve();
      } while ((this.#groups.size > 0 || this.#waiting.length > 0) && !this.#options.feed.stopped);
    } catch {
      // Each reads on by itself, and is told what is wrong.
    }
    // Nobody joins between the last look and this: what joins a hub that does not run would be told nothing.
    this.#isRunning = false;
    this.#isSending = false;
    for (const member of this.#groups.members()) this.#leave(member);
    this.#settle();
    this.#letIn();
  }

  async #pass(): Promise<void> {
    const { feed } = this.#options;
    const { settled } = feed;
    const commits = await feed.next(this.#seq, { limit: commitsPerRead, waitMs: tickMs, signal: this.#never });
    this.#isSending = true;
    if (commits.length > 0) await this.#sendAll(commits);
    // Nothing but numbers that were rolled back.
    else if (settled > this.#seq) this.#seq = settled;
    await this.#tick();
    this.#isSending = false;
  }

  #letIn(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }

  /** Sends what is selected of some commits, a round at a time. */
  async #sendAll(commits: readonly CommitRow[]): Promise<void> {
    let round: CommitRow[] = [];
    let changes = 0;
    for (const commit of commits) {
      if (round.length > 0 && changes + commit.types.length > changesPerRound) {
        await this.#sendRound(round);
        [round, changes] = [[], 0];
      }
      round.push(commit);
      changes += commit.types.length;
    }
    await this.#sendRound(round);
  }

  async #sendRound(commits: readonly CommitRow[]): Promise<void> {
    const [first] = commits;
    const last = commits.at(-1);
    if (first === undefined || last === undefined) return;
    if (first.types.length > changesPerRound) await this.#sendLarge(first);
    else {
      const found = await Promise.all(commits.map((commit) => this.#select(commit)));
      const messages = new Map<WatchGroup<Member>, WatchItem[]>();
      for (const [group, items] of found.flat()) {
        const before = messages.get(group);
        if (before === undefined) messages.set(group, [...items]);
        else before.push(...items);
      }
      await this.#send(messages, { before: cursorAfter(this.#seq), after: cursorAfter(last.seq) });
    }
    this.#seq = last.seq;
    this.#settle();
  }

  async #select(commit: CommitRow): Promise<(readonly [WatchGroup<Member>, readonly WatchItem[]])[]> {
    const found = [...(await this.#interested(commit))].map(async (group) => {
      const items: WatchItem[] = [];
      for (let index = 0; index < commit.types.length; ) {
        const step = await this.#options.selections.step(group.selection, commit, index);
        if (step.item !== undefined) items.push(step.item);
        index = step.next;
      }
      return [group, items] as const;
    });
    return (await Promise.all(found)).filter(([, items]) => items.length > 0);
  }

  /** A commit of many changes: each message goes before the next one is selected. */
  async #sendLarge(commit: CommitRow): Promise<void> {
    for (const group of await this.#interested(commit)) {
      let before = cursorAfter(this.#seq);
      for (let index = 0; index < commit.types.length && group.members.size > 0; ) {
        const { item, next } = await this.#options.selections.step(group.selection, commit, index);
        if (item !== undefined) {
          await this.#send(new Map([[group, [item]]]), { before, after: item.cursor });
          before = item.cursor;
        }
        index = next;
      }
    }
  }

  async #interested(commit: CommitRow): Promise<Set<WatchGroup<Member>>> {
    const { dictionaries } = this.#options;
    const kinds = new Set<string>();
    if (this.#groups.hasKinds)
      for (const queue of new Set(commit.queues)) if (queue !== 0) kinds.add((await dictionaries.queue(queue)).kind);
    return this.#groups.interestedIn(commit, kinds);
  }

  /** Writes messages to the members of their groups, in slices, so that everything else goes on meanwhile. */
  async #send(
    messages: ReadonlyMap<WatchGroup<Member>, readonly WatchItem[]>,
    place: { readonly before: Cursor; readonly after: Cursor },
  ): Promise<void> {
    this.#round += 1;
    for (const group of messages.keys()) {
      group.sending = { ...place, round: this.#round };
      this.#sent.add(group);
    }
    let sliceEndMs = performance.now() + sliceMs;
    for (const [group, items] of messages) {
      group.lastMessageMs = performance.now();
      for (const member of group.members) {
        if (member.round >= this.#round) continue;
        member.round = this.#round;
        if (!member.sink.write(items)) this.#leave(member);
        if (performance.now() < sliceEndMs) continue;
        await new Promise((resolve) => setImmediate(resolve));
        sliceEndMs = performance.now() + sliceMs;
      }
    }
  }

  /** All members are where the hub is. */
  #settle(): void {
    for (const group of this.#sent) group.sending = undefined;
    this.#sent.clear();
  }

  /** Tells those who have heard nothing for long how far they are. */
  async #tick(): Promise<void> {
    const nowMs = performance.now();
    if (nowMs - this.#lastTickMs < tickMs) return;
    this.#lastTickMs = nowMs;
    const cursor = cursorAfter(this.#seq);
    const items: readonly WatchItem[] = [{ case: "checkpoint", cursor }];
    const silentSinceMs = nowMs - this.#options.checkpointMs;
    const silent = [...this.#groups].filter((group) => group.lastMessageMs <= silentSinceMs);
    if (silent.length === 0) return;
    await this.#send(new Map(silent.map((group) => [group, items])), { before: cursor, after: cursor });
    this.#settle();
  }

  #leave(member: Member): void {
    const group = this.#groups.remove(member);
    if (group === undefined) return;
    const { sending } = group;
    if (sending === undefined) member.left(cursorAfter(this.#seq));
    else member.left(member.round < sending.round ? sending.before : sending.after);
  }
}
