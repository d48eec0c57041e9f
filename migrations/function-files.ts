import { readdir, readFile } from "node:fs/promises";
import path from "node:path";

/** The names of the database functions of a migration's folder: one file per function, named after it. */
export async function functionsOf(folder: string): Promise<string[]> {
  return (await readdir(folder))
    .filter((file) => /^mp_\w+\.sql$/.test(file))
    .sort()
    .map((file) => path.basename(file, ".sql"));
}

/** The statement that creates a database function, as a migration's folder has it. */
export function sourceOf(folder: string, name: string): Promise<string> {
  return readFile(path.join(folder, `${name}.sql`), "utf8");
}

/** The first of some folders that has a function; undefined: none has. */
export async function folderOf(folders: readonly string[], name: string): Promise<string | undefined> {
  for (const folder of folders) if ((await functionsOf(folder)).includes(name)) return folder;
  return undefined;
}
