import pg from "pg";

/** countRows counts the rows of all tables of a database, and those of tasks among them. */
export async function countRows(databaseUrl: string): Promise<{ readonly all: number; readonly tasks: number }> {
  return await withClient(databaseUrl, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      "select quote_ident(relname) as name from pg_stat_user_tables where schemaname = 'public'",
    );
    const counts = rows.map(({ name }) => `select '${name}' as name, count(*)::int as count from ${name}`);
    const counted = await client.query<{ name: string; count: number }>(counts.join(" union all "));
    return {
      all: counted.rows.reduce((sum, { count }) => sum + count, 0),
      tasks: counted.rows.find(({ name }) => name === "task")?.count ?? 0,
    };
  });
}

/** withClient lends a connection of its own to a database. */
export async function withClient<T>(databaseUrl: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}
