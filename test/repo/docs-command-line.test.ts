import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { millpondCommand } from "../../src/cli/command-line.ts";
import { type CommandNode, commandTree } from "../../src/cli/completion/command-tree.ts";

const document = readFileSync(path.resolve(import.meta.dirname, "../../docs/command-line.md"), "utf8");

/** The commands that do something, not those that only hold others. */
function leaves(node: CommandNode): CommandNode[] {
  return node.commands.length === 0 ? [node] : node.commands.flatMap(leaves);
}

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
