import { wait } from "../lib/wait.ts";
import type { Database, SignalConnection } from "../store/database.ts";

/** Queues that have something to start; undefined: it is not known which. */
export type ReadyQueues = readonly number[] | undefined;

/** What a {@link CommitSignal} is made of. */
export interface CommitSignalOptions {
  readonly db: Database;
  /** A name that no other server has. */
  readonly serverId: string;
  readonly onError: (error: unknown) => void;
}

const payloadMax = 7_500;
const reconnectMs = 1_000;
/** The shortest time from one notification to the next: what is committed meanwhile goes together. The first after a quiet time goes at once. */
const notifyEveryMs = 4;

/**
 * Tells everybody of commits: in this server at once, and the other servers by NOTIFY. Notifications are sent after the commit, on the connection
 * that also listens, merged while one is in flight or was sent just now; so they cost the transactions nothing (a NOTIFY inside each of them
 * halves the rate of commits), and take neither a connection that writes nor a flush of the WAL. They only wake: everybody who listens also looks
 * by himself now and then. While the connection is away, what there is to tell is kept, as a set of queues.
 */
export class CommitSignal {
  readonly #options: CommitSignalOptions;
  readonly #listeners = new Set<(queues: ReadyQueues) => void>();
  #pending: Set<number> | undefined;
  #sending: Promise<void> | undefined;
  #connection: SignalConnection | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #stop = new AbortController();

  constructor(options: CommitSignalOptions) {
    this.#options = options;
  }

  /** Calls a function after each commit of any server. */
  onCommit(listener: (queues: ReadyQueues) => void): void {
    this.#listeners.add(listener);
  }

  /** Says that this server has committed. */
  committed(readyQueues: readonly number[]): void {
    this.#tell(readyQueues);
    this.#pending ??= new Set();
    for (const queue of readyQueues) this.#pending.add(queue);
    this.#beginSending();
  }

  /** Begins to listen to the other servers; a lost connection is made again. */
  async start(): Promise<void> {
    await this.#listen();
  }

  /** Tells what there is to tell and ends the connection. */
  async stop(): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#timer);
    await this.#sending;
    await this.#connection?.end().catch(() => {});
  }

  #tell(queues: ReadyQueues): void {
    for (const listener of this.#listeners) listener(queues);
  }

  #beginSending(): void {
    if (this.#connection !== undefined) this.#sending ??= this.#send(this.#connection);
  }

  async #send(connection: SignalConnection): Promise<void> {
    while (this.#pending !== undefined && connection === this.#connection) {
      const sent = this.#pending;
      this.#pending = undefined;
      const queues = [...sent].join(",");
      const payload = `${this.#options.serverId} ${queues.length > payloadMax ? "*" : queues}`;
      const pause = wait(notifyEveryMs, this.#stop.signal);
      await connection.notify(payload).catch((error: unknown) => {
        this.#options.onError(error);
        // For the next connection: this one has ended.
        this.#pending = new Set([...sent, ...(this.#pending ?? [])]);
      });
      await pause;
    }
    this.#sending = undefined;
    if (this.#pending !== undefined) this.#beginSending();
  }

  async #listen(): Promise<void> {
    let ended = false;
    let listening = false;
    const connection = await this.#options.db.listen(
      "millpond",
      (payload) => this.#receive(payload),
      (error) => {
        if (ended) return;
        ended = true;
        this.#connection = undefined;
        // While it connects, the rejection tells.
        if (!listening || this.#stop.signal.aborted) return;
        this.#options.onError(error ?? new Error("the listening connection has ended"));
        this.#reconnect();
      },
    );
    if (this.#stop.signal.aborted) return connection.end();
    if (ended) throw new Error("the listening connection has ended");
    listening = true;
    this.#connection = connection;
    this.#tell(undefined);
    if (this.#pending !== undefined) this.#beginSending();
  }

  #reconnect(): void {
    this.#timer = setTimeout(() => {
      this.#listen().catch((error: unknown) => {
        this.#options.onError(error);
        if (!this.#stop.signal.aborted) this.#reconnect();
      });
    }, reconnectMs);
  }

  #receive(payload: string): void {
    const [sender, queues = ""] = payload.split(" ");
    if (sender === this.#options.serverId) return;
    this.#tell(queues === "*" ? undefined : queues.split(",").filter(Boolean).map(Number));
  }
}
