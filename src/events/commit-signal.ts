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

/** Tasks that have logged; undefined: it is not known which. */
export type LoggedTasks = readonly bigint[] | undefined;

const payloadMax = 7_500;
/** More ids than that are not named in a notification. */
const loggedMax = 1_000;
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
  readonly #logListeners = new Set<(ids: LoggedTasks) => void>();
  readonly #timerListeners = new Set<() => void>();
  #pending: Set<number> | undefined;
  readonly #logged = new Set<bigint>();
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

  /** Calls a function after tasks have logged on any server. */
  onLogged(listener: (ids: LoggedTasks) => void): void {
    this.#logListeners.add(listener);
  }

  /** Says that tasks have logged on this server: nobody has to look for anything else. */
  logged(ids: readonly bigint[]): void {
    this.#tellLogged(ids);
    // More than a notification takes need not be told apart.
    for (const id of ids) if (this.#logged.size <= loggedMax) this.#logged.add(id);
    this.#beginSending();
  }

  /** Calls a function when a commit of any server, this one included, has set a timer that is due before anybody would look by himself. */
  onTimers(listener: () => void): void {
    this.#timerListeners.add(listener);
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

  #tellLogged(ids: LoggedTasks): void {
    for (const listener of this.#logListeners) listener(ids);
  }

  #tellTimers(): void {
    for (const listener of this.#timerListeners) listener();
  }

  get #hasToTell(): boolean {
    return this.#pending !== undefined || this.#logged.size > 0;
  }

  #beginSending(): void {
    if (this.#connection !== undefined) this.#sending ??= this.#send(this.#connection);
  }

  async #send(connection: SignalConnection): Promise<void> {
    while (this.#hasToTell && connection === this.#connection) {
      const pause = wait(notifyEveryMs, this.#stop.signal);
      try {
        await this.#sendCommits(connection);
        await this.#sendLogged(connection);
      } catch (error) {
        this.#options.onError(error);
        // Once it stops there is no next connection to tell it by, and no pause any more.
        if (this.#stop.signal.aborted) break;
      }
      await pause;
    }
    this.#sending = undefined;
    if (this.#hasToTell && !this.#stop.signal.aborted) this.#beginSending();
  }

  async #sendCommits(connection: SignalConnection): Promise<void> {
    const sent = this.#pending;
    if (sent === undefined) return;
    this.#pending = undefined;
    try {
      await connection.notify(`${this.#options.serverId} ${listText([...sent])}`);
    } catch (error) {
      // For the next connection: this one has ended.
      this.#pending = new Set([...sent, ...(this.#pending ?? [])]);
      throw error;
    }
  }

  /** A third word tells it from a commit; whoever does not know of it takes it for one without queues. What is lost is found by a look a second later. */
  async #sendLogged(connection: SignalConnection): Promise<void> {
    if (this.#logged.size === 0) return;
    const ids = this.#logged.size > loggedMax ? "*" : listText([...this.#logged]);
    this.#logged.clear();
    await connection.notify(`${this.#options.serverId}  ${ids}`);
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
    this.#tellLogged(undefined);
    if (this.#hasToTell) this.#beginSending();
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
    const [sender, queues = "", logged] = payload.split(" ");
    if (sender === this.#options.serverId) return;
    // Told by the database (mp_tell_timers), within the transaction, as it is rare; whoever does not know of it takes it for a commit without queues.
    if (sender === "timers") this.#tellTimers();
    else if (logged !== undefined) this.#tellLogged(parseList(logged)?.map(BigInt));
    else this.#tell(parseList(queues)?.map(Number));
  }
}

function listText(items: readonly (number | bigint)[]): string {
  const text = items.join(",");
  return text.length > payloadMax ? "*" : text;
}

/** undefined: too many to be named, or what another program has sent, which may mean anything. */
function parseList(text: string): string[] | undefined {
  const items = text.split(",").filter(Boolean);
  return items.every((item) => /^-?\d{1,18}$/.test(item)) ? items : undefined;
}
