import { randomUUID } from "node:crypto";
import { MillpondError } from "../domain/errors.ts";
import { type WorkerProfile, WorkerState } from "../domain/worker.ts";
import { Loop } from "../lib/loop.ts";
import type { Database } from "../store/database.ts";
import { forgetWorkers, saveWorkers, sweepWorkers } from "../store/workers.ts";

/** An attempt that was handed to a worker, and since when this server has known of it. */
export interface HandedAttempt {
  readonly id: bigint;
  readonly attempt: number;
  readonly sinceMs: number;
}

/** A stream of a worker, as the roster has it. */
export interface ConnectedStream {
  /** Something has come from the worker. */
  heard(): void;
  /** It takes no more tasks. */
  drain(): void;
  /** The stream is over. */
  leave(): void;
}

/** What a stream tells of itself. */
export interface StreamInfo {
  /** What it runs. */
  readonly running: () => Iterable<HandedAttempt>;
  /** Is told that another stream of the worker has taken its place. */
  readonly onReplaced: () => void;
}

/** What a {@link WorkerRoster} is made of. */
export interface WorkerRosterOptions {
  readonly db: Database;
  readonly namespaceId: number;
  /** How often workers with streams are heard of, at least. */
  readonly heartbeatMs: number;
  readonly onError: (error: unknown) => void;
}

interface Entry {
  readonly name: string;
  readonly session: string;
  profile: WorkerProfile;
  state: number;
  readonly connectedMs: number;
  heardMs: number;
  /** Of a worker without a stream: what it was handed, as far as this server knows. */
  readonly handed: Map<bigint, HandedAttempt>;
  readonly stream: StreamInfo | undefined;
  /** What was written last: when it was heard of, and the attempts. */
  saved: { heardMs: number; running: string } | undefined;
  isChanged: boolean;
}

/** Workers without a stream that have been silent for so long count as gone: those that wait for tasks ask again at least every minute. */
const claimerGoneMs = 75_000;
/** How often figures that have changed are written, all in one statement. */
const saveEveryMs = 5_000;
/** Who comes or goes is written sooner, but at most so often. */
const wokenEveryMs = 500;
/** Attempts are written once they are so old: most are over by then. */
const youngMs = 1_000;
const handedMax = 10_000;
const streamsMax = 10_000;
const claimersMax = 100_000;
const workersPerStatement = 2_000;
const sweepEveryMs = 60_000;
const sweptMax = 1_000;

/**
 * WorkerRoster knows the workers that are connected to this server, or have asked it for tasks lately, and writes them where all servers read them. While none
 * is known it writes nothing; of any number of workers it writes those whose figures have changed, every five seconds, in one statement.
 */
export class WorkerRoster {
  readonly #options: WorkerRosterOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #holders = new Map<bigint, Entry>();
  #left: { readonly name: string; readonly session: string }[] = [];
  #streams = 0;
  #sweptMs = 0;
  readonly #loop: Loop;

  constructor(options: WorkerRosterOptions) {
    this.#options = options;
    this.#loop = new Loop({
      ...{ runOnce: () => this.runOnce(), delayMs: () => saveEveryMs, wokenEveryMs, onError: options.onError },
    });
  }

  /** How many workers have a stream to this server. */
  get streams(): number {
    return this.#streams;
  }

  /** Begins to write. */
  start(): void {
    this.#loop.start();
  }

  /** Ends writing, and forgets the workers of this server. */
  async stop(): Promise<void> {
    await this.#loop.stop();
    for (const entry of this.#entries.values()) this.#left.push(entry);
    this.#entries.clear();
    await this.#forget().catch(this.#options.onError);
  }

  /** Writes what has changed before this call, so that whoever reads sees it. */
  async settle(): Promise<void> {
    const isSettled = this.#left.length === 0 && [...this.#entries.values()].every(({ isChanged }) => !isChanged);
    if (!isSettled) await this.#loop.pass();
  }

  /** Notes that a worker without a stream asks for tasks. */
  claims(name: string, profile: WorkerProfile): void {
    const known = this.#entries.get(name);
    if (known?.stream !== undefined) return;
    if (known === undefined) {
      if (this.#entries.size < claimersMax + streamsMax) this.#enter(name, profile, undefined);
      return;
    }
    known.heardMs = performance.now();
    const { kinds, labels, slots } = known.profile;
    const isSame =
      slots >= profile.slots &&
      kinds.join() === profile.kinds.join() &&
      JSON.stringify(labels) === JSON.stringify(profile.labels);
    if (isSame) return;
    known.profile = { ...profile, slots: Math.max(slots, profile.slots) };
    known.isChanged = true;
  }

  /** Notes that a worker is heard of in another way. */
  heard(name: string): void {
    const known = this.#entries.get(name);
    if (known !== undefined) known.heardMs = performance.now();
  }

  /** Notes what a worker without a stream was handed, or still has. */
  handed(name: string, attempts: readonly { readonly id: bigint; readonly attempt: number }[]): void {
    const entry = this.#entries.get(name);
    if (entry === undefined || entry.stream !== undefined) return;
    const sinceMs = performance.now();
    for (const { id, attempt } of attempts) {
      if (entry.handed.get(id)?.attempt === attempt) continue;
      entry.handed.set(id, { id, attempt, sinceMs });
      this.#holders.set(id, entry);
      const [oldest] = entry.handed.keys();
      if (entry.handed.size > handedMax && oldest !== undefined) this.#unhand(entry, oldest);
    }
  }

  /** Notes that attempts are over. */
  over(ids: Iterable<bigint>): void {
    if (this.#holders.size === 0) return;
    for (const id of ids) {
      const entry = this.#holders.get(id);
      if (entry !== undefined) this.#unhand(entry, id);
    }
  }

  /**
   * Notes that a worker has connected; another stream of it is told that its place is taken. Fails with LIMIT_EXCEEDED where too many are connected.
   */
  connect(name: string, profile: WorkerProfile, stream: StreamInfo): ConnectedStream {
    const before = this.#entries.get(name);
    if (before?.stream === undefined && this.#streams >= streamsMax) throw tooManyStreams();
    if (before !== undefined) this.#leave(before);
    before?.stream?.onReplaced();
    const entry = this.#enter(name, profile, stream);
    this.#streams += 1;
    return {
      heard: () => {
        entry.heardMs = performance.now();
      },
      drain: () => {
        entry.state = WorkerState.DRAINING;
        entry.isChanged = true;
        this.#loop.wake();
      },
      leave: () => this.#leave(entry),
    };
  }

  /** What the workers of this server have been handed, young attempts too. */
  runningOf(name: string): readonly HandedAttempt[] {
    const entry = this.#entries.get(name);
    return entry === undefined ? [] : runningOf(entry);
  }

  /** Writes once what has changed. */
  async runOnce(): Promise<boolean> {
    const nowMs = performance.now();
    for (const entry of this.#entries.values())
      if (entry.stream === undefined && entry.heardMs < nowMs - claimerGoneMs) this.#leave(entry);
    await this.#forget();
    const changed = [...this.#entries.values()].flatMap((entry) => {
      const running = runningOf(entry).filter(({ sinceMs }) => sinceMs <= nowMs - youngMs);
      const text = running.map(({ id, attempt }) => `${id}:${attempt}`).join();
      const { saved, heardMs } = entry;
      const isSame = !entry.isChanged && saved?.heardMs === heardMs && saved.running === text;
      return isSame ? [] : [{ entry, running, text, heardMs }];
    });
    for (let from = 0; from < changed.length; from += workersPerStatement)
      await this.#save(changed.slice(from, from + workersPerStatement), nowMs);
    if (this.#entries.size > 0 && nowMs - this.#sweptMs > sweepEveryMs) {
      this.#sweptMs = nowMs;
      await sweepWorkers(this.#options.db, sweptMax);
    }
    return false;
  }

  async #save(
    changed: readonly { entry: Entry; running: readonly HandedAttempt[]; text: string; heardMs: number }[],
    nowMs: number,
  ): Promise<void> {
    const { db, namespaceId, heartbeatMs } = this.#options;
    // What changes while it is being written is written next.
    for (const { entry } of changed) entry.isChanged = false;
    const saved = await saveWorkers(
      ...([db, namespaceId] as const),
      changed.map(({ entry, running }) => ({
        ...{ ...entry.profile, name: entry.name, session: entry.session, state: entry.state, running },
        ...{ streams: entry.stream !== undefined, isNew: entry.saved === undefined },
        ...{
          connectedMsAgo: Math.round(nowMs - entry.connectedMs),
          heardMsAgo: Math.max(Math.round(nowMs - entry.heardMs), 0),
        },
        keepMs: entry.stream === undefined ? claimerGoneMs : heartbeatMs * 3 + saveEveryMs * 2,
      })),
    ).catch((error: unknown) => {
      for (const { entry } of changed) entry.isChanged = true;
      throw error;
    });
    for (const { entry, text, heardMs } of changed) {
      entry.saved = { heardMs, running: text };
      if (saved.has(entry.name) || this.#entries.get(entry.name) !== entry || entry.stream === undefined) continue;
      this.#leave(entry);
      entry.stream.onReplaced();
    }
  }

  #enter(name: string, profile: WorkerProfile, stream: StreamInfo | undefined): Entry {
    const nowMs = performance.now();
    const entry: Entry = {
      ...{ name, session: randomUUID(), profile, state: WorkerState.ACTIVE, connectedMs: nowMs, heardMs: nowMs },
      ...{ handed: new Map(), stream, saved: undefined, isChanged: true },
    };
    this.#entries.set(name, entry);
    this.#loop.wake();
    return entry;
  }

  #leave(entry: Entry): void {
    if (this.#entries.get(entry.name) !== entry) return;
    this.#entries.delete(entry.name);
    if (entry.stream !== undefined) this.#streams -= 1;
    for (const id of entry.handed.keys()) this.#unhand(entry, id);
    this.#left.push({ name: entry.name, session: entry.session });
    this.#loop.wake();
  }

  #unhand(entry: Entry, id: bigint): void {
    entry.handed.delete(id);
    if (this.#holders.get(id) === entry) this.#holders.delete(id);
  }

  async #forget(): Promise<void> {
    if (this.#left.length === 0) return;
    const left = this.#left;
    this.#left = [];
    await forgetWorkers(this.#options.db, this.#options.namespaceId, left).catch((error: unknown) => {
      this.#left.push(...left.slice(-claimersMax));
      throw error;
    });
  }
}

function runningOf(entry: Entry): readonly HandedAttempt[] {
  return [...(entry.stream?.running() ?? entry.handed.values())];
}

function tooManyStreams(): MillpondError {
  const message = `${streamsMax} workers are connected already; try again later, or use more servers`;
  return new MillpondError("LIMIT_EXCEEDED", message, {
    metadata: { limit: String(streamsMax) },
    retryDelayMs: 1_000,
  });
}
