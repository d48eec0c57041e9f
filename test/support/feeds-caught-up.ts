import { withClient } from "./template-database.ts";
import { until } from "./until.ts";

/** Waits until the feeds of some servers have come to the newest commit of their database: an event follows its commit by a wake-up. */
export async function feedsCaughtUp(databaseUrl: string, serverUrls: readonly string[]): Promise<void> {
  const newest = await newestCommit(databaseUrl);
  for (const url of serverUrls)
    await until(`the feed is at ${newest}`, async () => (await feedPosition(url)) >= newest);
}

async function newestCommit(databaseUrl: string): Promise<number> {
  const { rows } = await withClient(databaseUrl, (client) =>
    client.query<{ newest: string | null }>("select max(seq)::text newest from event_tx"),
  );
  return Number(rows[0]?.newest ?? 0);
}

async function feedPosition(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^millpond_feed_position (\d+)$/m.exec(metrics)?.[1] ?? -1);
}
