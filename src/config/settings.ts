import { homedir } from "node:os";
import { posix, win32 } from "node:path";
import { type SettingDefinition, settingDefinitions } from "./setting-definitions.ts";

type Definitions = typeof settingDefinitions;
type ValueOf<D> = D extends SettingDefinition<infer T> ? T : never;

/**
 * Settings is everything that a person can set about a server, read once from the environment and frozen. Durations
 * are in milliseconds and sizes in bytes, as the names say. `hostUrl` and `databaseUrl` are undefined when not given.
 */
export type Settings = Readonly<{ [Name in keyof Omit<Definitions, "dataDir">]: ValueOf<Definitions[Name]> }> & {
  readonly dataDir: string;
};

/** SettingDoc is what documentation says of one setting. */
export interface SettingDoc {
  readonly name: string;
  readonly type: string;
  readonly accepts: string;
  readonly default: string;
  readonly secret: boolean;
  readonly doc: string;
}

/** Where the server runs, as far as defaults depend on it. */
export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly isRoot: boolean;
  readonly homeDir: string;
}

/** InvalidSettingsError lists every environment variable whose value is not accepted, one line for each. */
export class InvalidSettingsError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `${problems.length === 1 ? "a setting is" : `${problems.length} settings are`} wrong:\n  ${problems.join("\n  ")}`,
    );
    this.name = "InvalidSettingsError";
    this.problems = problems;
  }
}

const prefix = "MILLPOND_";
const entries = Object.entries(settingDefinitions) as [keyof Definitions, SettingDefinition<unknown>][];

/**
 * Reads the settings from environment variables; a blank variable counts as absent. Throws {@link InvalidSettingsError}
 * with every wrong value at once. The warnings name `MILLPOND_` variables that are no setting, with the nearest one
 * that is; `alsoKnown` are variables with that prefix that other programs read.
 */
export function loadSettings(
  env: Readonly<Record<string, string | undefined>>,
  options: { machine?: Machine; alsoKnown?: readonly string[] } = {},
): { settings: Settings; warnings: string[] } {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [name, definition] of entries) {
    const given = env[definition.env]?.trim() ?? "";
    const value = given === "" ? definition.default : definition.kind.parse(given);
    if (given !== "" && value === undefined) problems.push(describeProblem(definition, given));
    values[name] = value;
  }
  if (problems.length > 0) throw new InvalidSettingsError(problems);
  values.dataDir ??= defaultDataDir(env, options.machine ?? thisMachine());
  // Each value came from the kind or the default of the definition of the same name.
  const settings = Object.freeze(values) as unknown as Settings;
  return { settings, warnings: unknownVariables(env, options.alsoKnown ?? []) };
}

/** What documentation says of each setting, in the order in which they are documented. */
export function describeSettings(): SettingDoc[] {
  return entries.map(([, definition]) => ({
    name: definition.env,
    type: definition.kind.name,
    accepts: definition.kind.accepts,
    default: definition.defaultText ?? definition.kind.format(definition.default as NonNullable<unknown>),
    secret: definition.secret ?? false,
    doc: definition.doc,
  }));
}

function describeProblem(definition: SettingDefinition<unknown>, given: string): string {
  const shown = definition.secret === true ? "its value (not shown: it is a secret)" : JSON.stringify(given);
  const hint =
    definition.kind.name === "duration" && /^\d+$/.test(given) ? `; did you mean "${given}s" or "${given}ms"?` : "";
  return `${definition.env}: ${shown} is not accepted: give ${definition.kind.accepts}${hint}`;
}

function thisMachine(): Machine {
  return { platform: process.platform, isRoot: process.getuid?.() === 0, homeDir: homedir() };
}

/**
 * Root's data lies where services keep theirs; everybody else's in the user's data folder (XDG on Linux and BSD, whose specification asks to
 * ignore a relative path; Application Support on macOS; LocalAppData on Windows).
 */
function defaultDataDir(env: Readonly<Record<string, string | undefined>>, machine: Machine): string {
  const { platform, isRoot, homeDir } = machine;
  if (platform === "win32") return win32.join(env.LOCALAPPDATA || win32.join(homeDir, "AppData", "Local"), "millpond");
  if (isRoot) return "/var/lib/millpond";
  if (platform === "darwin") return posix.join(homeDir, "Library", "Application Support", "millpond");
  const xdg = env.XDG_DATA_HOME;
  return posix.join(xdg && posix.isAbsolute(xdg) ? xdg : posix.join(homeDir, ".local", "share"), "millpond");
}

function unknownVariables(env: Readonly<Record<string, string | undefined>>, alsoKnown: readonly string[]): string[] {
  const known = entries.map(([, definition]) => definition.env);
  return Object.keys(env)
    .filter((name) => name.startsWith(prefix) && !known.includes(name) && !alsoKnown.includes(name))
    .map((name) => {
      const nearest = nearestName(name, known);
      return `${name} is not a setting of this version${nearest === undefined ? "" : `; did you mean ${nearest}?`}`;
    });
}

/** The candidate within a third of the name's length in single-character edits, if there is one. */
function nearestName(name: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .toSorted((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best !== undefined && best.distance <= (name.length - prefix.length) / 3 ? best.candidate : undefined;
}

/** Levenshtein's distance, row by row. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const substitution = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(substitution, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
