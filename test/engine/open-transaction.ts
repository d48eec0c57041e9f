import pg from "pg";
import { vi } from "vitest";
import { withClient } from "../support/template-database.ts";

/** A transaction of somebody else, on a connection of its own; what it has not committed is rolled back at the end. */
export interface OpenTransaction extends AsyncDisposable {
  query(text: string): Promise<void>;
  /** Waits until so many connections of its database wait for locks, or, where that may not come to pass, until `unless` says so. */
  waitForBlocked(count: number, unless?: () => boolean): Promise<void>;
}

/** Begins a transaction. */
export async function openTransaction(databaseUrl: string): Promise<OpenTransaction> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query("begin");
  const countBlocked = async (): Promise<number> => {
    const { rows } = await withClient(databaseUrl, (other) =>
      other.query("select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"),
    );
    return rows.length;
  };
  return {
    query: async (text) => {
      await client.query(text);
    },
    waitForBlocked: (count, unless = () => false) =>
      vi.waitFor(
        async () => {
          if (!unless() && (await countBlocked()) < count)
            throw new Error(`fewer than ${count} connections wait for locks`);
        },
        { timeout: 10_000, interval: 5 },
      ),
    [Symbol.asyncDispose]: async () => {
      await client.end();
    },
  };
}
