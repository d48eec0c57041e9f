import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { batchStatusNames, taskStatusNames } from "../../src/cli/input/task-options.ts";
import { runMillpond } from "./support/millpond-process.ts";

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
  expect(await complete("task", "re")).toEqual(["report", "resume", "retry"]);
  expect(await complete("task", "list", "--st")).toEqual(["--status"]);
  expect(await complete("task", "list", "--status", "")).toEqual([...taskStatusNames]);
  expect(await complete("batch", "list", "--limit", "5", "--status", "")).toEqual([...batchStatusNames]);
  expect(await complete("batch", "graph", "ID", "--format", "")).toEqual(["text", "dot", "json"]);
  expect(await complete("completion", "z")).toEqual(["zsh"]);
  expect(await complete("run", "gra")).toEqual([""]);
});

test("the scripts of zsh and fish know every command and option of the help", async () => {
  const [zsh, fish] = [await script("zsh"), await script("fish")];
  expect(zsh).toMatch(/^#compdef millpond\n/);
  const walk = async (path: readonly string[]): Promise<void> => {
    const { stdout } = await runMillpond([...path, "--help"]);
    const [, commands = ""] = /\nCommands:\n([\s\S]*?)\n\n/.exec(stdout) ?? [];
    const names = [...commands.matchAll(/^ {2}([a-z-]+)/gm)]
      .map(([, name = ""]) => name)
      .filter((name) => name !== "help");
    const [, options = ""] = /\nOptions:\n([\s\S]*?)\n\n/.exec(stdout) ?? [];
    const at = path.length === 0 ? "__millpond_at" : `__millpond_at ${path.join(" ")}`;
    for (const [, option = ""] of options.matchAll(/^ {2}(?:-\w, )?--([a-z-]+)/gm)) {
      expect(zsh).toContain(`--${option}[`);
      expect(fish).toMatch(new RegExp(`^complete -c millpond -n '${at}' .*-l ${option} `, "m"));
    }
    for (const name of names) {
      expect(zsh).toContain(`_millpond_${[...path, name].join("_").replaceAll("-", "_")}() {`);
      expect(fish).toMatch(new RegExp(`^complete -c millpond -n '${at}' -a ${name} `, "m"));
      await walk([...path, name]);
    }
  };
  await walk([]);
});

test("another shell is misuse", async () => {
  const { code, stderr } = await runMillpond(["completion", "tcsh"]);
  expect(stderr).toContain("Allowed choices are bash, zsh, fish.");
  expect(code).toBe(2);
});
