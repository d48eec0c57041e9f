import type { Command } from "commander";
import { bashScript } from "./bash-script.ts";
import { commandTree } from "./command-tree.ts";
import { fishScript } from "./fish-script.ts";
import { zshScript } from "./zsh-script.ts";

/** completionScript is the script that makes a shell complete a program's commands. */
export function completionScript(shell: "bash" | "zsh" | "fish", program: Command): string {
  const tree = commandTree(program);
  switch (shell) {
    case "bash":
      return bashScript(tree);
    case "zsh":
      return zshScript(tree);
    case "fish":
      return fishScript(tree);
  }
}
