import type { Client } from "pg";
import { describeRoutines, describeTypes, describeViews } from "./describe-objects.ts";
import { describeTables } from "./describe-tables.ts";

const heading = `-- The schema of a freshly migrated database.
-- Written by \`npm run schema\`: to change it, add a migration and run that again.
`;

/**
 * Describes the database behind `client` as SQL text, read from the catalogs: the same text for the same schema whatever the
 * order of creation and whichever version of PostgreSQL, from 15 on. Objects of extensions, owners and grants are left out.
 */
export async function describeSchema(client: Client): Promise<string> {
  const schemas = await userSchemas(client);
  // Names of public stay bare in what the catalog functions print; those of other schemas come qualified.
  await client.query("set search_path to public");
  const sections = [
    await describeExtensions(client),
    schemas.filter((name) => name !== "public").map((name) => `create schema ${name};`),
    await describeTypes(client, schemas),
    await describeTables(client, schemas),
    await describeViews(client, schemas),
    await describeRoutines(client, schemas),
  ];
  const text = sections.flat().join("\n\n");
  return `${heading}\n${text}\n`;
}

async function userSchemas(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select quote_ident(nspname) as name from pg_namespace
      where nspname <> 'information_schema' and nspname !~ '^pg_' order by nspname collate "C"`,
  );
  return rows.map(({ name }) => name);
}

async function describeExtensions(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(
    `select format('create extension %I;', extname) as line from pg_extension
      where extname <> 'plpgsql' order by extname collate "C"`,
  );
  return rows.map(({ line }) => line);
}
