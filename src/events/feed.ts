import { MillpondError } from "../domain/errors.ts";
import { Loop } from "../lib/loop.ts";
import type { Database } from "../store/database.ts";
import { isSelective, searchEvents } from "../store/event-search.ts";
import { type CommitRow, eventFloor, eventRange, eventWriters, newestEvent, tailEvents } from "../store/events.ts";
import { cursorAfter, formatCursor } from "./cursor.ts";
import { type EventFilter, mayMatch } from "./event-filter.ts";

/** What a {@link Feed} is made of. */
export interface FeedOptions {
  readonly db: Database;
  /** How many changes are kept in memory for watchers that keep up; older ones are read from the table. */
  readonly bufferedChangesMax: number;
  /** How often the table is looked at when nobody wakes the feed: the bound on a lost notification, and on how far it lags when nobody asks. */
  readonly pollMs: number;
  readonly onError: (error: unknown) => void;
}

/** Commits in order that may hold what was looked for. */
export interface FoundCommits {
  readonly commits: readonly CommitRow[];
  /** There is no other one up to here. */
  readonly upTo: bigint;
  /** What follows is settled, but has not been looked at. */
  readonly more: boolean;
}

const commitsPerRead = 500;
/** Commits this far below the newest are certainly over: a number is drawn as the last act of a transaction. */
const startOverlap = 1000n;
const gapPollMs = 2;
/** The shortest time between two reads that commits ask for. */
const readEveryMs = 2;
/** When nobody has asked for so long, the feed passes over what is committed. */
const unaskedMs = 5_000;
const catchUpPassesMax = 5;
/** From so many changes on, a commit that was read from the table is kept for the next reader: it is read in many pages. */
const largeCommitChanges = 5_000;

/**
 * Tails the commits of the database in an order in which no effect stands before its cause, once per server, for all who watch.
 *
 * Commits are numbered by a sequence that each transaction draws last, when it holds all its locks. So a number that is missing belongs to a
 * transaction that is about to commit, or has been rolled back. The feed waits at such a gap until every transaction that held a number when the
 * gap was seen is over (docs/decisions/0001-feed-order.md).
 *
 * It is read for those who ask, and reads no more often than they need:
 *
 *     somebody waits    each commit wakes it, at most every 2 ms
 *     asked of late     it reads when somebody asks, and once per `pollMs`
 *     nobody asks       once per `pollMs` it moves to the newest commit that is settled, without reading what lies between
 */
export class Feed {
  readonly #options: FeedOptions;
  #ring: CommitRow[] = [];
  #ringChanges = 0;
  /** Below this number (inclusive) nothing is in the ring. */
  #ringAfter = 0n;
  #settled = 0n;
  /** The large commit that was last read from the table. */
  #large: CommitRow | undefined;
  /** Numbers below `below` were missing; whoever may still commit one of them is among `writers`. */
  #gap: { readonly below: bigint; readonly writers: ReadonlySet<string> } | undefined;
  /** As a gap, where nothing is read: everything up to `newest` is over when none of `writers` is left. */
  #skip: { readonly newest: bigint; readonly writers: ReadonlySet<string> } | undefined;
  #waiters = new Set<() => void>();
  /** Something was committed after the last read began. */
  #behind = false;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #stopped = false;
  #started = false;
  readonly #loop: Loop;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#loop = new Loop({
      runOnce: () => (this.#isAsked() ? this.runOnce() : this.#passOver()),
      delayMs: () => (this.#gap !== undefined && this.#waiters.size > 0 ? gapPollMs : options.pollMs),
      wokenEveryMs: readEveryMs,
      onError: options.onError,
    });
  }

  /** The number up to which the order of commits is settled. */
  get settled(): bigint {
    return this.#settled;
  }

  /** Whether the feed has been stopped: nothing comes any more. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Finds the place from which to tail and begins. */
  async start(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    const [range, floor] = await Promise.all([eventRange(this.#options.db), eventFloor(this.#options.db)]);
    const from = (range?.newest ?? 0n) - startOverlap;
    this.#settled = from > floor ? from : floor;
    this.#ringAfter = this.#settled;
    while (await this.runOnce()) if (this.#stopped) return;
    this.#loop.start();
  }

  /** Ends the tail and lets go of all who wait. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#notifyWaiters();
    await this.#loop.stop();
  }

  /** Tells that something was committed. */
  wake(): void {
    this.#behind = true;
    if (this.#waiters.size > 0) this.#loop.wake();
  }

  /**
   * Settles what had been committed before this call, so that whoever has written reads it. Behind a transaction that is about to commit, or a number
   * that was rolled back just now, it waits a few moments only.
   */
  async catchUp(): Promise<void> {
    this.#askedAtMs = performance.now();
    for (let n = 0; n < catchUpPassesMax; n += 1) {
      await this.#loop.pass();
      if (this.#gap === undefined) return;
    }
  }

  /** Reads what is new; tells whether there is more to read at once. */
  async runOnce(): Promise<boolean> {
    const { db } = this.#options;
    this.#behind = false;
    this.#skip = undefined;
    let commits = await tailEvents(db, this.#settled, commitsPerRead);
    // Up to here, a number that is missing was rolled back.
    let passable = this.#settled;
    if (await this.#isGapOver(commits[0])) {
      passable = this.#gap?.below ?? passable;
      commits = await tailEvents(db, this.#settled, commitsPerRead);
    }
    const before = this.#settled;
    for (const commit of commits) {
      if (commit.seq > this.#settled + 1n && commit.seq > passable) {
        if (this.#gap === undefined || commit.seq > this.#gap.below) {
          this.#gap = { below: commits.at(-1)?.seq ?? commit.seq, writers: await eventWriters(db) };
        }
        break;
      }
      this.#append(commit);
    }
    if (this.#gap !== undefined && this.#settled >= this.#gap.below - 1n) this.#gap = undefined;
    if (this.#settled > before) this.#notifyWaiters();
    return commits.length === commitsPerRead && this.#settled > before;
  }

  /**
   * Answers settled commits after a number, in order: at most `limit` of them, at least one. Waits for the first; an empty answer means that
   * the feed has stopped, `waitMs` has gone by, or `signal` was aborted. Fails with CURSOR_EXPIRED where some of them are not kept any more.
   */
  async next(
    from: bigint,
    options: { limit: number; waitMs: number; signal: AbortSignal },
  ): Promise<readonly CommitRow[]> {
    const deadline = Date.now() + options.waitMs;
    let after = from;
    while (await this.#hasAfter(after, deadline, options.signal)) {
      const { commits, upTo } = await this.#between(after, options.limit);
      if (commits.length > 0) return commits;
      // Nothing but rolled back numbers up to here.
      after = upTo;
    }
    return [];
  }

  /**
   * Looks in the settled commits after a number for such as may hold what a filter selects: at most `limit` of them, and in a bounded part of the feed, in which
   * there may be none. Waits for the first commit to look at; `upTo` has not moved when the feed has stopped, `waitMs` has gone by, or `signal` was aborted. Fails
   * with CURSOR_EXPIRED as {@link next} does.
   */
  async search(
    from: bigint,
    filter: EventFilter,
    options: { limit: number; waitMs: number; signal: AbortSignal },
  ): Promise<FoundCommits> {
    if (!(await this.#hasAfter(from, Date.now() + options.waitMs, options.signal)))
      return { commits: [], upTo: from, more: false };
    if (from >= this.#ringAfter) return this.#searchRing(from, filter, options.limit);
    if (!isSelective(filter) || this.#large?.seq === from + 1n) return this.#between(from, options.limit);
    const settled = this.#settled;
    const range = { after: from, upTo: settled, limit: options.limit };
    const { commits, upTo } = await searchEvents(this.#options.db, filter, range);
    await this.#checkKept(from);
    this.#keepLarge(commits[0]);
    return { commits, upTo, more: upTo < settled };
  }

  /** Waits until something after a number is settled; false: nothing is, and the feed has stopped, the time has gone by, or the signal was aborted. */
  async #hasAfter(after: bigint, deadline: number, signal: AbortSignal): Promise<boolean> {
    this.#askedAtMs = performance.now();
    while (after >= this.#settled) {
      const leftMs = deadline - Date.now();
      if (this.#stopped || signal.aborted || leftMs <= 0) return false;
      await this.#change(leftMs, signal);
    }
    return true;
  }

  #isAsked(): boolean {
    return this.#waiters.size > 0 || performance.now() - this.#askedAtMs < unaskedMs;
  }

  /** Settles what had been committed by the last look, whose writers are all over now, and looks again. */
  async #passOver(): Promise<boolean> {
    const { db } = this.#options;
    this.#behind = false;
    await this.#endSkip();
    const newest = await newestEvent(db);
    if (newest <= this.#settled) return false;
    // Asked after the newest commit was seen: whoever has drawn a lower number and is not among them is over.
    const writers = await eventWriters(db);
    this.#skip = { newest, writers };
    if (writers.size === 0) await this.#endSkip();
    return false;
  }

  async #endSkip(): Promise<void> {
    if (this.#skip === undefined || !(await this.#areOver(this.#skip.writers))) return;
    const { newest } = this.#skip;
    this.#skip = undefined;
    this.#gap = undefined;
    this.#settled = newest;
    this.#ring = [];
    this.#ringChanges = 0;
    this.#ringAfter = newest;
    this.#notifyWaiters();
  }

  async #between(after: bigint, limit: number): Promise<FoundCommits> {
    const settled = this.#settled;
    if (after >= this.#ringAfter) {
      const from = this.#ringIndex(after);
      return found(this.#ring.slice(from, from + limit), limit, settled);
    }
    if (this.#large?.seq === after + 1n) return found([this.#large], 1, settled);
    const rows = await tailEvents(this.#options.db, after, limit);
    await this.#checkKept(after);
    const commits = rows.filter((commit) => commit.seq <= settled);
    this.#keepLarge(commits[0]);
    return found(commits, limit, settled);
  }

  #keepLarge(first: CommitRow | undefined): void {
    if (first !== undefined && first.types.length >= largeCommitChanges) this.#large = first;
  }

  #searchRing(after: bigint, filter: EventFilter, limit: number): FoundCommits {
    const commits: CommitRow[] = [];
    for (let n = this.#ringIndex(after); n < this.#ring.length && commits.length < limit; n += 1) {
      const commit = this.#ring[n] as CommitRow;
      if (mayMatch(filter, commit)) commits.push(commit);
    }
    return found(commits, limit, this.#settled);
  }

  /** Where the first commit after a number stands in the ring. */
  #ringIndex(after: bigint): number {
    let low = 0;
    let high = this.#ring.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ring[middle] as CommitRow).seq <= after) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Fails where something after a number had been deleted; asked after it was read, so that it is known what had been by then. */
  async #checkKept(after: bigint): Promise<void> {
    const floor = await eventFloor(this.#options.db);
    if (after < floor) throw cursorExpired(floor);
  }

  /** Whether nobody is left who could commit a number that is missing before the first commit. What was committed meanwhile has to be read then. */
  async #isGapOver(first: CommitRow | undefined): Promise<boolean> {
    const gap = this.#gap;
    if (gap === undefined || first === undefined) return false;
    if (first.seq === this.#settled + 1n || first.seq > gap.below) return false;
    return this.#areOver(gap.writers);
  }

  async #areOver(writers: ReadonlySet<string>): Promise<boolean> {
    if (writers.size === 0) return true;
    const left = await eventWriters(this.#options.db);
    return ![...writers].some((writer) => left.has(writer));
  }

  #append(commit: CommitRow): void {
    this.#settled = commit.seq;
    this.#ring.push(commit);
    this.#ringChanges += commit.types.length;
    while (this.#ringChanges > this.#options.bufferedChangesMax && this.#ring.length > 1) {
      const gone = this.#ring.shift() as CommitRow;
      this.#ringChanges -= gone.types.length;
      this.#ringAfter = gone.seq;
    }
  }

  #change(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        this.#waiters.delete(done);
        this.#askedAtMs = performance.now();
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener("abort", done, { once: true });
      this.#waiters.add(done);
      if (this.#behind || this.#gap !== undefined || this.#skip !== undefined) this.#loop.wake();
    });
  }

  #notifyWaiters(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }
}

/** What was found, of all that is settled, where it was as many as were asked for perhaps. */
function found(commits: readonly CommitRow[], limit: number, settled: bigint): FoundCommits {
  const last = commits.at(-1);
  const upTo = last !== undefined && commits.length >= limit ? last.seq : settled;
  return { commits, upTo, more: upTo < settled };
}

function cursorExpired(floor: bigint): MillpondError {
  return new MillpondError(
    "CURSOR_EXPIRED",
    "the events after the cursor are not kept any more; begin again with a snapshot, or from the oldest cursor",
    { metadata: { oldest_cursor: formatCursor(cursorAfter(floor)) } },
  );
}
