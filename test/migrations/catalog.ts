import pg from "pg";

/** Runs `work` with a connection to the database at `url`. */
export async function withDatabase<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: "millpond test" });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Runs one query on the database at `url` and answers its rows. */
export function rowsOf<Row extends pg.QueryResultRow>(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  return withDatabase(url, async (client) => (await client.query<Row>(text, values)).rows);
}

/**
 * Every object that a schema of users can hold, one line each: what a migration makes, down must take away. NOT NULL is left out:
 * it is an object of its own only from PostgreSQL 18 on.
 */
export async function readObjects(url: string): Promise<string[]> {
  const rows = await rowsOf<{ object: string }>(
    url,
    `with space as (select oid from pg_namespace where nspname <> 'information_schema' and nspname !~ '^pg_')
     select 'schema ' || nspname as object from pg_namespace where oid in (table space)
     union all select format('relation %s %s', relkind, relname) from pg_class where relnamespace in (table space)
     union all select format('column %s.%s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod))
       from pg_attribute a join pg_class c on c.oid = a.attrelid where c.relnamespace in (table space) and a.attnum > 0
     union all select format('constraint %s %s', conname, pg_get_constraintdef(oid)) from pg_constraint where connamespace in (table space) and contype <> 'n'
     union all select format('type %s %s', typtype, typname) from pg_type where typnamespace in (table space)
     union all select format('function %s(%s) %s', proname, pg_get_function_identity_arguments(oid), md5(prosrc))
       from pg_proc where pronamespace in (table space)
     union all select 'operator ' || oprname from pg_operator where oprnamespace in (table space)
     union all select format('trigger %s', tgname) from pg_trigger t join pg_class c on c.oid = t.tgrelid
       where c.relnamespace in (table space) and not t.tgisinternal
     union all select 'extension ' || extname from pg_extension
     order by 1`,
  );
  return rows.map(({ object }) => object);
}
