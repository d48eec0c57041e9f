import { Argument, Command } from "commander";

/** completionCommand is `millpond completion`: prints a script that makes a shell complete commands and options. */
export function completionCommand(): Command {
  return new Command("completion")
    .description("print a script for a shell, which completes commands, options and their values")
    .addArgument(new Argument("<shell>", "which one").choices(["bash", "zsh", "fish"]))
    .addHelpText(
      "after",
      `
Examples:
  source <(millpond completion bash)                                            now, or in ~/.bashrc
  millpond completion zsh > "\${fpath[1]}/_millpond"                             then start a new shell
  millpond completion fish > ~/.config/fish/completions/millpond.fish`,
    )
    .action(async (shell: "bash" | "zsh" | "fish", _, command: Command) => {
      const { completionScript } = await import("./completion-script.ts");
      process.stdout.write(completionScript(shell, command.parent ?? command));
    });
}
