import pg from "pg";
import { MillpondError } from "../domain/errors.ts";
import { arrayText } from "./array-text.ts";
import { pgTypes } from "./pg-types.ts";

/** What a {@link Database} is opened with. */
export interface DatabaseOptions {
  readonly url: string;
  /** Connections that write; few, because each transaction carries many rows. */
  readonly writers: number;
  /** Connections that read rows by their keys, and as many that list. */
  readonly readers: number;
  /** How long a call waits for a free connection before it answers STORE_UNAVAILABLE. */
  readonly connectTimeoutMs: number;
  /** Told of connections that broke while idle. */
  readonly onError: (error: Error) => void;
}

/** A statement with a name is prepared once per connection. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** What runs statements that write: each a transaction of its own, or all of one. */
export interface Writer {
  write<Row extends pg.QueryResultRow>(statement: Statement, values: readonly unknown[]): Promise<Row[]>;
}

/**
 * The hot statements are plpgsql functions over small sets of keys. These settings fix their plans (nested loops in the order of the
 * arrays, which is also the order of locks) and spare each call its planning: measured +35 % for single rows.
 *
 * A plan outlives the statistics that it was made from. Where these call a table empty (a queue, of an idle server), an equality join
 * would walk the whole index of the table for each row of the array, until the next ANALYZE: a thousand times slower. So statements
 * join a table as `t.id = any (array[x.id])`: that can be nothing but a condition on its index. Where there are many ids, one scan for all of them, `t.id = any (ids)`,
 * takes a third of the time (docs/decisions/0027-rows-by-array.md).
 */
const byKeyOptions = [
  "enable_seqscan=off",
  "enable_hashjoin=off",
  "enable_mergejoin=off",
  "enable_bitmapscan=off",
  "enable_memoize=off",
  "jit=off",
  "plan_cache_mode=force_generic_plan",
];
const readTimeoutSeconds = 30;
const readOnlyOptions = [`statement_timeout=${readTimeoutSeconds}s`, "default_transaction_read_only=on"];
/** The best plan of a list depends on what it is asked for: it is planned for each call where that pays. */
const listOptions = ["enable_seqscan=off", "enable_hashjoin=off", "enable_mergejoin=off", "jit=off"];
const commonOptions = ["timezone=UTC", "datestyle=ISO", "client_encoding=UTF8"];

const deadlockRetries = 8;
const queryTimeoutMs = 40_000;
/** How long a connection that listens may take for a NOTIFY before it counts as broken. */
const notifyTimeoutMs = 10_000;

/** A connection that listens on a channel. */
export interface SignalConnection {
  /** Sends to all who listen on the channel, this connection too. When that fails, the connection ends. */
  notify(payload: string): Promise<void>;
  end(): Promise<void>;
}

/** The connections of a server to its database: a few for writing, more for reading. Every error leaves classified. */
export class Database {
  readonly #writers: pg.Pool;
  readonly #keyReaders: pg.Pool;
  readonly #readers: pg.Pool;
  readonly url: string;

  constructor(options: DatabaseOptions) {
    this.url = options.url;
    const pool = (max: number, settings: readonly string[], name: string): pg.Pool => {
      const created = new pg.Pool({
        ...connectionConfig(options.url, [...commonOptions, ...settings], name),
        max,
        connectionTimeoutMillis: options.connectTimeoutMs,
        keepAlive: true,
        // A database that hangs without closing its connections: the call fails, and the connection is thrown away.
        query_timeout: queryTimeoutMs,
        idleTimeoutMillis: 60_000,
      });
      created.on("error", options.onError);
      // A database that ends a connection in the moment in which it is lent, between the pool's listener and the borrower's: nobody would listen, and the process would end. The query fails.
      created.on("connect", (client) => client.on("error", () => {}));
      return created;
    };
    this.#writers = pool(options.writers, byKeyOptions, "millpond writer");
    this.#keyReaders = pool(options.readers, [...byKeyOptions, ...readOnlyOptions], "millpond reader by key");
    this.#readers = pool(options.readers, [...listOptions, ...readOnlyOptions], "millpond reader");
  }

  /** Runs one writing statement, a transaction of its own. Deadlocks and serialization failures are tried again. */
  write<Row extends pg.QueryResultRow>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    return retryConflicts(() => borrow(this.#writers, (client) => run<Row>(client, statement, values)));
  }

  /**
   * Runs writing statements as one transaction, which is committed, or taken back: then the answer is what it would have done.
   * Deadlocks and serialization failures are tried again, from the beginning.
   */
  transaction<T>(end: "commit" | "rollback", body: (writer: Writer) => Promise<T>): Promise<T> {
    return retryConflicts(() =>
      borrow(this.#writers, (client) =>
        transaction(client, "begin", end, () => body({ write: (statement, values) => run(client, statement, values) })),
      ),
    );
  }

  /**
   * Runs one statement that reads rows by the keys that it is given, and joins as writing statements do. It is planned once per connection: planning takes
   * several times as long as reading a few rows.
   */
  readByKey<Row extends pg.QueryResultRow>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    return borrow(this.#keyReaders, (client) => run<Row>(client, statement, values));
  }

  /** Runs one reading statement. */
  read<Row extends pg.QueryResultRow>(statement: Statement, values: readonly unknown[]): Promise<Row[]> {
    return borrow(this.#readers, (client) => run<Row>(client, statement, values));
  }

  /** Runs reads that see one and the same moment. */
  readSnapshot<T>(
    body: (
      read: <Row extends pg.QueryResultRow>(statement: Statement, values: readonly unknown[]) => Promise<Row[]>,
    ) => Promise<T>,
  ): Promise<T> {
    return borrow(this.#readers, (client) =>
      transaction(client, "begin isolation level repeatable read read only", "commit", () =>
        body((statement, values) => run(client, statement, values)),
      ),
    );
  }

  /**
   * Opens a connection of its own that listens on a channel and notifies it; the caller ends it. A NOTIFY is a transaction with a record in the
   * WAL: that one is not waited for, as it says nothing that would be missed.
   */
  async listen(
    channel: string,
    onNotify: (payload: string) => void,
    onEnd: (error?: Error) => void,
  ): Promise<SignalConnection> {
    const client = new pg.Client({
      ...connectionConfig(this.url, [...commonOptions, "synchronous_commit=off"], "millpond listener"),
      connectionTimeoutMillis: 5_000,
      query_timeout: notifyTimeoutMs,
      keepAlive: true,
    });
    client.on("notification", (message) => onNotify(message.payload ?? ""));
    client.on("error", onEnd);
    client.on("end", () => onEnd());
    try {
      await client.connect();
      await client.query(`listen ${channel}`);
    } catch (error) {
      await client.end().catch(() => {});
      throw classify(error);
    }
    const notify = async (payload: string): Promise<void> => {
      try {
        await client.query({ name: "notify", text: "select pg_notify($1, $2)", values: [channel, payload] });
      } catch (error) {
        // It hangs, or is gone: it would not hear of anything either.
        void client.end().catch(() => {});
        throw classify(error);
      }
    };
    return { notify, end: () => client.end() };
  }

  /** Closes all connections after what runs has ended. */
  async close(): Promise<void> {
    await Promise.all([this.#writers.end(), this.#keyReaders.end(), this.#readers.end()]);
  }
}

/** Lends a connection of a pool; where what it has prepared is from before a migration, so that it refuses to execute it, the next one. */
async function borrow<T>(pool: pg.Pool, body: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  for (let lent = 1; ; lent += 1) {
    try {
      return await lend(pool, body);
    } catch (error) {
      // All that there were may have been such.
      if (lent > pool.options.max || !isStale(error)) throw error;
    }
  }
}

/**
 * Lends a connection of a pool. One that answered a statement with an error is as good as before, with all that it has prepared;
 * one that broke, whose transaction could not be ended, or that has stale statements, is thrown away: the next borrower must not inherit it.
 */
async function lend<T>(pool: pg.Pool, body: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => {
    throw classify(error);
  });
  let broken: Error | undefined;
  const onError = (error: Error): void => {
    broken = error;
  };
  client.on("error", onError);
  try {
    return await body(client);
  } catch (error) {
    const unended = error instanceof UnendedTransaction;
    const classified = classify(unended ? error.cause : error);
    if (unended || isStoreUnavailable(classified) || isStale(classified)) broken ??= error as Error;
    throw classified;
  } finally {
    client.removeListener("error", onError);
    client.release(broken);
  }
}

/** What went wrong in a transaction that could not be ended either. */
class UnendedTransaction extends Error {}

async function transaction<T>(
  client: pg.PoolClient,
  begin: string,
  end: "commit" | "rollback",
  body: () => Promise<T>,
): Promise<T> {
  await client.query(begin);
  try {
    const result = await body();
    await client.query(end);
    return result;
  } catch (error) {
    await client.query("rollback").catch(() => {
      throw new UnendedTransaction("the transaction could not be ended", { cause: error });
    });
    throw error;
  }
}

function connectionConfig(url: string, settings: readonly string[], name: string): pg.ClientConfig {
  return {
    connectionString: url,
    types: pgTypes,
    application_name: name,
    options: settings.map((setting) => `-c ${setting}`).join(" "),
  };
}

async function run<Row extends pg.QueryResultRow>(
  client: pg.PoolClient,
  statement: Statement,
  values: readonly unknown[],
): Promise<Row[]> {
  const parameters = values.map((value) => (Array.isArray(value) ? arrayText(value) : value));
  return (await client.query<Row>({ name: statement.name, text: statement.text, values: parameters })).rows;
}

async function retryConflicts<T>(attempt: () => Promise<T>): Promise<T> {
  for (let n = 1; ; n += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (n > deadlockRetries || !isConflict(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 5 * 2 ** n));
    }
  }
}

/**
 * A deadlock (40P01), a failed serialization (40001), or a function that a migration replaces at this moment (42883, or XX000 as
 * its cached plan still names the old one): the same call succeeds when it is made again.
 */
function isConflict(error: unknown): boolean {
  const code = sqlState(error);
  if (code === "XX000") return (error as pg.DatabaseError).message.startsWith("cache lookup failed for function");
  return code === "40P01" || code === "40001" || code === "42883";
}

/** A prepared statement whose result has other columns since it was prepared ("cached plan must not change result type", in whichever language): nothing was executed. */
function isStale(error: unknown): boolean {
  return sqlState(error) === "0A000" && (error as pg.DatabaseError).routine === "RevalidateCachedQuery";
}

/** The SQLSTATE of an error of PostgreSQL, or undefined. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined;
}

/** The name of the constraint that an error of PostgreSQL is about, or undefined. */
export function violatedConstraint(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.constraint : undefined;
}

const unavailableStates = /^(08|53|57P0|58|XX00[12]|25006)/;

/** A read that went on for longer than statement_timeout. */
const queryCanceled = "57014";

/** A sum of counters beyond 64 bits. */
const outOfRange = "22003";

/** Turns what means "the database is away" into STORE_UNAVAILABLE; anything else passes as it is. */
function classify(error: unknown): unknown {
  if (error instanceof MillpondError) return error;
  const state = sqlState(error);
  if (state === outOfRange) {
    const message = "a count is too large: with what has been counted before it is beyond 64 bits";
    return new MillpondError("INVALID_FIELD", message, { cause: error });
  }
  if (state === queryCanceled) {
    const message = `the read took longer than ${readTimeoutSeconds} s and was given up; narrow its filter`;
    return new MillpondError("LIMIT_EXCEEDED", message, {
      metadata: { limit: `${readTimeoutSeconds}s` },
      cause: error,
    });
  }
  if (state !== undefined && !unavailableStates.test(state)) return error;
  if (state === undefined && !(error instanceof Error && isConnectionError(error))) return error;
  return new MillpondError("STORE_UNAVAILABLE", "the database cannot be reached right now; try again", {
    retryDelayMs: 1_000,
    cause: error,
  });
}

function isStoreUnavailable(error: unknown): boolean {
  return error instanceof MillpondError && error.reason === "STORE_UNAVAILABLE";
}

function isConnectionError(error: Error): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  return (
    /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_AGAIN)/.test(code) ||
    /connection terminated|query read timeout|timeout exceeded when trying to connect|connection timeout|Client has encountered a connection error|Cannot use a pool after calling end/i.test(
      error.message,
    )
  );
}
