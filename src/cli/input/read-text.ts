import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { CommandFailure } from "../command-failure.ts";

/** readText reads a whole file, or for `-` standard input. Fails with a CommandFailure that says why it cannot be read. */
export async function readText(path: string): Promise<string> {
  if (path === "-") return text(process.stdin);
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw new CommandFailure(`there is no file ${path}`);
    throw new CommandFailure(code === "EISDIR" ? `${path} is a folder, not a file` : `cannot read ${path}: ${message}`);
  }
}
