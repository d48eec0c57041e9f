import type { Database } from "../store/database.ts";
import { notify } from "../store/events.ts";

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

/**
 * Tells everybody of commits: in this server at once, and the other servers by NOTIFY. Notifications are sent after the commit, merged while one is
 * in flight, so that they cost the transactions nothing (a NOTIFY inside each of them halves the rate of commits). They only wake: everybody who
 * listens also looks by himself now and then.
 */
export class CommitSignal {
  readonly #options: CommitSignalOptions;
  readonly #listeners = new Set<(queues: ReadyQueues) => void>();
  #pending: Set<number> | undefined;
  #sending: Promise<void> | undefined;
  #connection: { end(): Promise<void> } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

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
    this.#sending ??= this.#send();
  }

  /** Begins to listen to the other servers; a lost connection is made again. */
  async start(): Promise<void> {
    await this.#listen();
  }

  /** Ends the connection. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#sending;
    await this.#connection?.end().catch(() => {});
  }

  #tell(queues: ReadyQueues): void {
    for (const listener of this.#listeners) listener(queues);
  }

  async #send(): Promise<void> {
    while (this.#pending !== undefined && !this.#stopped) {
      const queues = [...this.#pending].join(",");
      this.#pending = undefined;
      const payload = `${this.#options.serverId} ${queues.length > payloadMax ? "*" : queues}`;
      await notify(this.#options.db, payload).catch(this.#options.onError);
    }
    this.#sending = undefined;
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
        // While it connects, the rejection tells.
        if (!listening || this.#stopped) return;
        this.#options.onError(error ?? new Error("the listening connection has ended"));
        this.#reconnect();
      },
    );
    if (this.#stopped) return connection.end();
    if (ended) throw new Error("the listening connection has ended");
    listening = true;
    this.#connection = connection;
    this.#tell(undefined);
  }

  #reconnect(): void {
    this.#timer = setTimeout(() => {
      this.#listen().catch((error: unknown) => {
        this.#options.onError(error);
        if (!this.#stopped) this.#reconnect();
      });
    }, reconnectMs);
  }

  #receive(payload: string): void {
    const [sender, queues = ""] = payload.split(" ");
    if (sender === this.#options.serverId) return;
    this.#tell(queues === "*" ? undefined : queues.split(",").filter(Boolean).map(Number));
  }
}
