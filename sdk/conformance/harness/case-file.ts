import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";

/** One thing that is done, and what must come of it. Its first key is what it does, one of {@link actions}. */
export type Step = Readonly<Record<string, unknown>>;

/** A case: what is given, what is done, and what must be seen then. The steps run one after the other. */
export interface ConformanceCase {
  /** The file's name without its ending. */
  readonly name: string;
  readonly title: string;
  /** Runs when no other case does: it does something to the server or to the runner's process. */
  readonly alone: boolean;
  /** Takes most of a minute: begins before the others, to end with them. */
  readonly slow: boolean;
  readonly steps: readonly Step[];
}

/** What a step can do; README.md says what each is. */
export const actions = [
  ...["call", "joins", "cancel", "stream", "graph", "open", "close"],
  ...["watch", "collect", "unwatch", "logs", "worker", "release", "saw", "stop"],
  ...["proxy", "server", "database", "signal", "fake", "slowed", "receiver", "received", "status"],
] as const;

/** The action of a step. */
export type Action = (typeof actions)[number];

/** actionOf is what a step does: its first key. Throws where that is no action. */
export function actionOf(step: Step): Action {
  const [first = ""] = Object.keys(step);
  if (actions.includes(first as Action)) return first as Action;
  throw new Error(`a step begins with one of ${actions.join(", ")}, not with "${first}": ${JSON.stringify(step)}`);
}

const casesFolder = path.resolve(import.meta.dirname, "../cases");
const sections = ["given", "when", "then"] as const;

/** readCases reads the cases whose names match one of the patterns (`*` stands for anything), slow ones first, then in the order of their names. Throws when none does, naming them all. */
export function readCases(patterns: readonly string[] = ["*"]): ConformanceCase[] {
  const all = globSync("*.yaml", { cwd: casesFolder }).sort();
  const wanted = patterns.map((pattern) => new RegExp(`^${pattern.split("*").map(literally).join(".*")}$`));
  const files = all.filter((file) => wanted.some((each) => each.test(path.basename(file, ".yaml"))));
  if (files.length === 0) {
    const names = all.map((file) => `  ${path.basename(file, ".yaml")}`).join("\n");
    throw new Error(`no case is named ${patterns.join(" or ")}; there are:\n${names}`);
  }
  return files.map(readCase).sort((a, b) => Number(b.slow) - Number(a.slow));
}

function literally(text: string): string {
  return text.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&");
}

function readCase(file: string): ConformanceCase {
  try {
    const document = parse(readFileSync(path.join(casesFolder, file), "utf8")) as Record<string, unknown>;
    const { title, alone = false, slow = false, ...rest } = document;
    if (typeof title !== "string") throw new Error("it has no title");
    if (typeof alone !== "boolean" || typeof slow !== "boolean") throw new Error("alone and slow are true or false");
    const unknown = Object.keys(rest).find((key) => !sections.includes(key as (typeof sections)[number]));
    if (unknown !== undefined) throw new Error(`"${unknown}" is none of title, alone, slow, ${sections.join(", ")}`);
    if (rest.then === undefined) throw new Error("it has no then: nothing would be looked at");
    const steps = sections.flatMap((section) => (rest[section] ?? []) as Step[]);
    for (const step of steps) actionOf(step);
    return { name: path.basename(file, ".yaml"), title, alone, slow, steps };
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}
