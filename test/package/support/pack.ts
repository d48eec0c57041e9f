import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
/** The root of the repository. */
export const repositoryRoot = path.resolve(import.meta.dirname, "../../..");

/** A copy of the repository, as a clone after `npm ci`, in which packages are made: packing writes into the folder where it is done. */
export interface PackingClone extends AsyncDisposable {
  readonly folder: string;
  /** Runs `npm pack` for the root, or for a workspace, and answers the path of the archive. */
  pack(workspace?: string): Promise<string>;
}

/** packingClone makes a copy of the repository; it goes with the `await using`, or the call of `Symbol.asyncDispose`. */
export async function packingClone(): Promise<PackingClone> {
  const parent = await mkdtemp(path.join(tmpdir(), "millpond-pack-"));
  const folder = path.join(parent, "clone");
  await copyRepository(folder);
  await symlink(path.join(repositoryRoot, "node_modules"), path.join(folder, "node_modules"));
  return {
    folder,
    pack: (workspace) => npmPack(folder, parent, workspace === undefined ? [] : ["--workspace", workspace]),
    [Symbol.asyncDispose]: () => rm(parent, { recursive: true, force: true }),
  };
}

/** Copies what git has, or would have. */
async function copyRepository(to: string): Promise<void> {
  const { stdout } = await run("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: repositoryRoot,
    maxBuffer: 2 ** 24,
  });
  const copy = async (file: string) => {
    const source = path.join(repositoryRoot, file);
    if (file !== "" && existsSync(source)) await cp(source, path.join(to, file));
  };
  await Promise.all(stdout.split("\0").map(copy));
}

async function npmPack(clone: string, to: string, options: readonly string[]): Promise<string> {
  const args = ["pack", "--json", "--offline", "--ignore-scripts=false", "--pack-destination", to, ...options];
  const { stdout } = await run("npm", args, { cwd: clone, env: withoutNpm(process.env), maxBuffer: 2 ** 24 });
  const [, name] = /"filename": "([^"]+\.tgz)"/.exec(stdout) ?? [];
  return path.join(to, name ?? "");
}

/** What npm tells its scripts would lead another npm to this repository. */
function withoutNpm(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^(npm_|INIT_CWD$)/i.test(name)));
}

/** The files of an archive, without the folder that npm puts around them. */
export async function filesOf(archive: string): Promise<string[]> {
  const { stdout } = await run("tar", ["-tzf", archive], { maxBuffer: 2 ** 24 });
  return stdout
    .trim()
    .split("\n")
    .map((file) => file.replace(/^package\//, ""));
}

/** Unpacks an archive into a folder, which is made. */
export async function unpack(archive: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  await run("tar", ["-xzf", archive, "-C", to, "--strip-components=1"]);
}
