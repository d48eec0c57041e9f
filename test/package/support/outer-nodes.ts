import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";

/** A Node under which a package is run. */
export interface OuterNode {
  readonly file: string;
  readonly version: string;
}

/** The Node of this process and, if PATH has one, another that is too old for the server. */
export function outerNodes(): OuterNode[] {
  const older = (process.env.PATH ?? "")
    .split(path.delimiter)
    .map((folder) => path.join(folder, "node"))
    .filter(existsSync)
    .map((file) => ({ file, version: spawnSync(file, ["--version"], { encoding: "utf8" }).stdout.trim() }))
    .find(({ version }) => /^v(20|21)\./.test(version));
  return [{ file: process.execPath, version: process.version }, ...(older ? [older] : [])];
}
