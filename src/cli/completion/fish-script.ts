import type { CommandNode, OptionNode, Values } from "./command-tree.ts";

/** fishScript completes in fish, with descriptions. */
export function fishScript(tree: CommandNode): string {
  const name = tree.path[0] ?? "";
  return `# Completion of ${name} for fish.
# Whether the words so far name exactly this command.
function __${name}_at
    set -l words (commandline -opc)
    set -e words[1]
    set -l named
    for word in $words
        string match -q -- '-*' $word; and break
        contains -- (string join ' ' $named $word) $__${name}_commands; or break
        set -a named $word
    end
    test "$named" = "$argv"
end
set -g __${name}_commands ${nodesOf(tree)
    .slice(1)
    .map(({ path }) => quoted(path.slice(1).join(" ")))
    .join(" ")}
complete -c ${name} -f
${nodesOf(tree)
  .flatMap((node) => linesOf(name, node))
  .join("\n")}
`;
}

function linesOf(name: string, { path, commands, options, takes }: CommandNode): string[] {
  const start = `complete -c ${name} -n ${quoted(`__${name}_at ${path.slice(1).join(" ")}`.trim())}`;
  return [
    ...commands.map((command) => `${start} -a ${command.path.at(-1)} -d ${quoted(command.description)}`),
    ...(takes === "anything" ? [] : [`${start} ${valueFlags(takes)}`]),
    ...options.map((option) => `${start} ${optionFlags(option)}`),
  ];
}

function optionFlags({ flags, description, takes }: OptionNode): string {
  const names = flags.map((flag) => (flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  const values =
    takes === undefined
      ? []
      : takes === "file"
        ? ["-r", "-F"]
        : ["-x", ...(takes === "anything" ? [] : [valueFlags(takes)])];
  return [...names, ...values, "-d", quoted(description)].join(" ");
}

function valueFlags(takes: Exclude<Values, "anything">): string {
  return takes === "file" ? "-F" : `-a ${quoted(takes.words.join(" "))}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

function nodesOf(node: CommandNode): CommandNode[] {
  return [node, ...node.commands.flatMap(nodesOf)];
}
