import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { BatchService, DeliveryService, EventService, TaskService, WorkerService } from "@millpond/sdk";
import type { Command } from "commander";
import { expect, it } from "vitest";
import { millpondCommand } from "../../src/cli/command-line.ts";
import { type CommandNode, commandTree } from "../../src/cli/completion/command-tree.ts";

const document = readFileSync(path.resolve(import.meta.dirname, "../../docs/command-line.md"), "utf8");

/** The commands that do something, not those that only hold others. */
function leaves(node: CommandNode): CommandNode[] {
  return node.commands.length === 0 ? [node] : node.commands.flatMap(leaves);
}

const services = [TaskService, BatchService, EventService, WorkerService, DeliveryService];

it("lists in docs/command-line.md every command, and says of it what its help says", () => {
  const listed = [...document.matchAll(/^\| `(millpond [a-z -]+)` \| (.+) \|$/gm)].map(([, name, what]) => [
    name,
    what,
  ]);
  const commands = leaves(commandTree(millpondCommand())).map(({ path: names, description }) => [
    names.join(" "),
    description,
  ]);
  expect(listed).toEqual(commands);
});

it("names in docs/command-line.md for every RPC a command that there is, or says why there is none", () => {
  const rows = [...document.matchAll(/^\| `(\w+\.\w+)` \| (.+) \|$/gm)].map(([, rpc = "", how = ""]) => ({ rpc, how }));
  const contract = services.flatMap(({ name, methods }) => methods.map((method) => `${name}.${method.name}`));
  expect(rows.map(({ rpc }) => rpc)).toEqual(contract);
  const commands = new Set(leaves(commandTree(millpondCommand())).map(({ path: names }) => names.join(" ")));
  for (const { rpc, how } of rows) {
    const named = [...how.matchAll(/`(millpond [a-z -]+?)(?: --[a-z-]+)?`/g)].map(([, name = ""]) => name);
    expect(named.filter((name) => !commands.has(name))).toEqual([]);
    expect(named.length > 0 || /^none: .{40,}/.test(how), `${rpc} has a command, or why not`).toBe(true);
  }
});

it("knows in that list every service of the contract", () => {
  const folder = path.resolve(import.meta.dirname, "../../proto/millpond/v1");
  const declared = globSync("*.proto", { cwd: folder }).flatMap((file) =>
    [...readFileSync(path.join(folder, file), "utf8").matchAll(/^service (\w+)/gm)].map(([, name]) => name),
  );
  expect(services.map(({ name }) => name).toSorted()).toEqual(declared.toSorted());
});

it("gives every command help with an example, and --json wherever it prints something for people", () => {
  const program = millpondCommand();
  // A server logs lines of JSON as it is, and a script is for a shell.
  const withoutJson = new Set(["serve", "completion"]);
  const check = (command: Command): void => {
    let help = "";
    command.configureOutput({ writeOut: (text) => (help += text) });
    command.outputHelp();
    expect(help, command.name()).toMatch(/\nExamples?:\n {2}/);
    if (command.commands.length > 0) command.commands.forEach(check);
    else if (!withoutJson.has(command.name())) expect(help, command.name()).toMatch(/^ {2}--json /m);
  };
  check(program);
});
