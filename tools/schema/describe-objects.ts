import type { Client } from "pg";

/** Not part of an extension; the object's oid stands in `o.oid`. */
const notOfExtension = "not exists (select 1 from pg_depend e where e.objid = o.oid and e.deptype = 'e')";

/** The enums and domains of the given schemas, sorted by name. */
export async function describeTypes(client: Client, schemas: readonly string[]): Promise<string[]> {
  return readLines(
    client,
    schemas,
    `select case o.typtype
              when 'e' then format('create type %s as enum (%s);', o.oid::regtype,
                (select string_agg(quote_literal(l.enumlabel), ', ' order by l.enumsortorder)
                   from pg_enum l where l.enumtypid = o.oid))
              else concat_ws(' ', 'create domain', o.oid::regtype, 'as', format_type(o.typbasetype, o.typtypmod),
                     'default ' || o.typdefault, case when o.typnotnull then 'not null' end,
                     (select string_agg(format('constraint %I %s', k.conname, pg_get_constraintdef(k.oid, true)), ' '
                             order by k.conname collate "C")
                        from pg_constraint k where k.contypid = o.oid and k.contype = 'c')) || ';'
            end as line
       from pg_type o join pg_namespace n on n.oid = o.typnamespace
      where o.typtype in ('e', 'd') and quote_ident(n.nspname) = any ($1) and ${notOfExtension}
      order by o.oid::regtype::text collate "C"`,
  );
}

/**
 * The views and materialized views of the given schemas, sorted by name. PostgreSQL before 16 writes `table.column` where later
 * versions write `column`, so that text is the same only within either.
 */
export async function describeViews(client: Client, schemas: readonly string[]): Promise<string[]> {
  return readLines(
    client,
    schemas,
    `select format(e'create %s %s as\\n%s', case o.relkind when 'm' then 'materialized view' else 'view' end,
              o.oid::regclass, pg_get_viewdef(o.oid, true)) as line
       from pg_class o join pg_namespace n on n.oid = o.relnamespace
      where o.relkind in ('v', 'm') and quote_ident(n.nspname) = any ($1) and ${notOfExtension}
      order by o.oid::regclass::text collate "C"`,
  );
}

/** The functions and procedures of the given schemas, sorted by name and arguments. */
export async function describeRoutines(client: Client, schemas: readonly string[]): Promise<string[]> {
  return readLines(
    client,
    schemas,
    `select rtrim(pg_get_functiondef(o.oid), e'\\n') || ';'
              || coalesce(format(e'\\ncomment on routine %s is ', o.oid::regprocedure)
                   || quote_literal(obj_description(o.oid, 'pg_proc')) || ';', '') as line
       from pg_proc o join pg_namespace n on n.oid = o.pronamespace
      where o.prokind in ('f', 'p') and quote_ident(n.nspname) = any ($1) and ${notOfExtension}
      order by o.oid::regprocedure::text collate "C"`,
  );
}

async function readLines(client: Client, schemas: readonly string[], text: string): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(text, [schemas]);
  return rows.map(({ line }) => line);
}
