import type { CommandNode, OptionNode, Values } from "./command-tree.ts";

/** zshScript completes in zsh, with descriptions. */
export function zshScript(tree: CommandNode): string {
  const name = tree.path[0] ?? "";
  return `#compdef ${name}
# Completion of ${name} for zsh.
${functionsOf(tree).join("\n")}
# Loaded by the completion system it is called at once; sourced, it is only made known.
if [ "$funcstack[1]" = "_${name}" ]; then _${name} "$@"; else compdef _${name} ${name}; fi
`;
}

function functionsOf(node: CommandNode): string[] {
  return [...node.commands.flatMap(functionsOf), functionOf(node)];
}

function functionOf({ path, commands, options, takes }: CommandNode): string {
  const name = `_${path.join("_").replaceAll("-", "_")}`;
  const specs = options.flatMap(optionSpecs);
  if (commands.length === 0) {
    return `${name}() {
  _arguments -s ${[...specs, quoted(`*:argument:${actionOf(takes)}`)].join(" \\\n    ")}
}`;
  }
  const described = commands.map((command) =>
    quoted(`${command.path.at(-1)}:${command.description.replaceAll(":", "\\:")}`),
  );
  const cases = commands.map(
    (command) => `        ${command.path.at(-1)}) ${name}_${(command.path.at(-1) ?? "").replaceAll("-", "_")} ;;`,
  );
  return `${name}() {
  local state line
  _arguments -C ${[...specs, "'1: :->command'", "'*:: :->rest'"].join(" \\\n    ")}
  case $state in
    command) local -a commands=(${described.join(" ")}); _describe command commands ;;
    rest)
      case $line[1] in
${cases.join("\n")}
      esac ;;
  esac
}`;
}

function optionSpecs({ flags, description, takes }: OptionNode): string[] {
  const text = description.replace(/[[\]:]/g, (sign) => `\\${sign}`);
  if (takes === undefined) return flags.map((flag) => quoted(`*${flag}[${text}]`));
  // The sign behind a name lets a value stand in the same word: `--option=value`, `-ovalue`.
  return flags.map((flag) => quoted(`*${flag}${flag.startsWith("--") ? "=" : "+"}[${text}]:value:${actionOf(takes)}`));
}

function actionOf(takes: Values): string {
  if (takes === "file") return "_files";
  return takes === "anything" ? " " : `(${takes.words.join(" ")})`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
