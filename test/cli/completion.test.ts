import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Command } from "commander";
import { afterAll, expect, test } from "vitest";
import { millpondCommand } from "../../src/cli/command-line.ts";
import { batchStatusNames, taskStatusNames } from "../../src/cli/input/task-options.ts";
import { runMillpond } from "./support/millpond-process.ts";

const [zsh, fish] = ["zsh", "fish"].map((shell) => spawnSync(shell, ["--version"]).status === 0);
const zshComplete = fileURLToPath(new URL("support/zsh-complete.zsh", import.meta.url));
const folder = mkdtemp(path.join(tmpdir(), "millpond-completion-"));

afterAll(async () => rm(await folder, { recursive: true, force: true }));

const script = async (shell: string) => {
  const { code, stdout } = await runMillpond(["completion", shell]);
  expect(code).toBe(0);
  return stdout;
};

test("bash completes commands, options and their values, and leaves the rest to itself", async () => {
  const source = await script("bash");
  const complete = async (...words: string[]) => {
    const program = `${source}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _millpond; echo "\${COMPREPLY[*]}"`;
    const { stdout } = await promisify(execFile)("bash", ["-c", program, "bash", "millpond", ...words]);
    return stdout.trim().split(" ");
  };
  expect(await complete("")).toEqual(
    expect.arrayContaining(["serve", "task", "batch", "worker", "run", "events", "completion", "migrate", "demo"]),
  );
  expect(await complete("ta")).toEqual(["task"]);
  expect(await complete("task", "re")).toEqual(["resume", "retry", "report"]);
  expect(await complete("task", "list", "--st")).toEqual(["--status"]);
  expect(await complete("task", "list", "--status", "")).toEqual([...taskStatusNames]);
  expect(await complete("batch", "list", "--limit", "5", "--status", "")).toEqual([...batchStatusNames]);
  expect(await complete("batch", "graph", "ID", "--format", "")).toEqual(["text", "dot", "json"]);
  expect(await complete("task", "append-logs", "ID", "--level", "W")).toEqual(["WARN"]);
  expect(await complete("delivery", "replay", "--h")).toEqual(["--host", "--help"]);
  expect(await complete("worker", "")).toEqual(["run", "list"]);
  expect(await complete("worker", "--sl")).toEqual(["--slots"]);
  expect(await complete("worker", "--kind", "list", "--stdin", "a")).toEqual(["assignment"]);
  expect(await complete("completion", "z")).toEqual(["zsh"]);
  expect(await complete("run", "gra")).toEqual([""]);
});

test("bash completes --option=value, as three words and where it is one", async () => {
  const source = await script("bash");
  const complete = async (wordBreaks: string, ...words: string[]) => {
    const program = `${source}
COMP_WORDBREAKS=${wordBreaks}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _millpond; echo "\${COMPREPLY[*]}"`;
    const { stdout } = await promisify(execFile)("bash", ["-c", program, "bash", "millpond", ...words]);
    return stdout.trim().split(" ");
  };
  expect(await complete("=", "task", "list", "--status", "=")).toEqual([...taskStatusNames]);
  expect(await complete("=", "task", "list", "--status", "=", "RU")).toEqual(["RUNNING"]);
  expect(await complete("=", "batch", "list", "--kind", "=", "k", "--status", "=", "AC")).toEqual(["ACTIVE"]);
  expect(await complete(":", "task", "list", "--status=")).toEqual(taskStatusNames.map((name) => `--status=${name}`));
  expect(await complete(":", "task", "list", "--status=RU")).toEqual(["--status=RUNNING"]);
  expect(await complete("=", "task", "list", "--name", "=", "x")).toEqual([""]);
});

test(`zsh completes commands, options and their values (${zsh ? "asked itself" : "it is not installed: bash reads its script"})`, async () => {
  const file = path.join(await folder, "_millpond");
  await writeFile(file, await script("zsh"));
  if (!zsh) return expectSpecs(file);
  const complete = async (line: string) => {
    const { stdout } = await promisify(execFile)("zsh", ["-f", zshComplete, file, line]);
    return stdout.trim().split("\n");
  };
  expect(await complete("millpond ta")).toEqual(["task"]);
  expect(await complete("millpond task re")).toEqual(["report", "resume", "retry"]);
  expect(await complete("millpond task list --st")).toEqual(["--status"]);
  for (const line of ["millpond task list --status ", "millpond task list --status="]) {
    expect(await complete(line)).toEqual([...taskStatusNames].sort());
  }
  expect(await complete("millpond batch graph ID --format=d")).toEqual(["dot"]);
  expect(await complete("millpond worker ")).toEqual(["list", "run"]);
  expect(await complete("millpond worker --stdin ")).toEqual(["assignment", "input"]);
});

test(`fish completes commands, options and their values (${fish ? "asked itself" : "it is not installed: its script is read word by word"})`, async () => {
  const source = await script("fish");
  if (!fish) return expectWords(source);
  const file = path.join(await folder, "millpond.fish");
  await writeFile(file, source);
  const complete = async (line: string) => {
    const { stdout } = await promisify(execFile)("fish", [
      "-N",
      "-c",
      "source $argv[1]; complete -C $argv[2]",
      file,
      line,
    ]);
    return stdout
      .trim()
      .split("\n")
      .map((offer) => offer.split("\t")[0]);
  };
  expect(await complete("millpond ta")).toEqual(["task"]);
  expect(await complete("millpond task re")).toEqual(["report", "resume", "retry"]);
  expect(await complete("millpond task list --st")).toEqual(["--status"]);
  expect(await complete("millpond task list --status ")).toEqual([...taskStatusNames].sort());
  expect(await complete("millpond task list --status=RU")).toEqual(["--status=RUNNING"]);
  expect(await complete("millpond worker l")).toEqual(["list"]);
  expect(await complete("millpond worker --sl")).toEqual(["--slots"]);
});

/** Where zsh is not there: its grammar is near enough to bash's that bash can read the script, with stand-ins for what zsh has. */
async function expectSpecs(file: string): Promise<void> {
  const program = `_arguments() { printf '%s\n' "$@"; }; _describe() { :; }; compdef() { :; }; source "$1"
for name in $(compgen -A function _millpond); do $name; done`;
  const { stdout, stderr } = await promisify(execFile)("bash", ["-c", program, "bash", file]);
  expect(stderr).toBe("");
  const flags =
    /^\*--?[a-zA-Z][a-z-]*(?:\[(?:[^[\]\\]|\\.)+\]|[=+]\[(?:[^[\]\\]|\\.)+\]:value:(?: |_files|\([^()]+\)))$/;
  const others = new Set(["-s", "-C", "1: :->command", "*:: :->rest"]);
  const strange = stdout
    .split("\n")
    .filter((spec) => spec !== "" && !others.has(spec) && !flags.test(spec) && !spec.startsWith("*:argument:"));
  expect(strange).toEqual([]);
  expect(stdout).toContain(`*--status=[in this status; repeatable]:value:(${taskStatusNames.join(" ")})\n`);
}

/** Where fish is not there: each line must be words and closed quotes, as fish has them. */
function expectWords(source: string): void {
  const lines = source.split("\n").filter((line) => line.startsWith("complete "));
  const words = /^(?:(?:[\w./-]+|'(?:[^'\\]|\\['\\])*')(?: |$))+$/;
  expect(lines.filter((line) => !words.test(line))).toEqual([]);
  expect(lines.length).toBeGreaterThan(200);
}

test("the scripts of zsh and fish know every command and option that there is", async () => {
  const [forZsh, forFish] = [await script("zsh"), await script("fish")];
  expect(forZsh).toMatch(/^#compdef millpond\n/);
  const walk = (command: Command, path: readonly string[]): void => {
    const at = path.length === 0 ? "__millpond_at" : `__millpond_at ${path.join(" ")}`;
    for (const option of command.options) {
      const name = option.long?.slice(2);
      expect(forZsh).toMatch(new RegExp(`--${name}=?\\[`));
      expect(forFish).toMatch(new RegExp(`^complete -c millpond -n '${at}' .*-l ${name} `, "m"));
    }
    for (const child of command.commands) {
      const names = [...path, child.name()];
      expect(forZsh).toContain(`_millpond_${names.join("_").replaceAll("-", "_")}() {`);
      expect(forFish).toMatch(new RegExp(`^complete -c millpond -n '${at}' -a ${child.name()} `, "m"));
      walk(child, names);
    }
  };
  walk(millpondCommand(), []);
});

test("another shell is misuse", async () => {
  const { code, stderr } = await runMillpond(["completion", "tcsh"]);
  expect(stderr).toContain("Allowed choices are bash, zsh, fish.");
  expect(code).toBe(2);
});
