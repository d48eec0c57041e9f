import { withClient } from "./table-sizes.ts";

/** checkAllSucceeded throws unless every task of a database has succeeded: a rate of what was not done counts for nothing. */
export async function checkAllSucceeded(databaseUrl: string): Promise<void> {
  await withClient(databaseUrl, async (client) => {
    const { rows } = await client.query<{ total: string; success: string }>(
      "select coalesce(sum(total), 0)::text total, coalesce(sum(success), 0)::text success from batch_state",
    );
    const { total = "0", success = "0" } = rows[0] ?? {};
    if (total === "0" || total !== success) throw new Error(`of ${total} tasks, ${success} have succeeded`);
  });
}
