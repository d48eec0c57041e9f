import type { CommandNode, OptionNode, Values } from "./command-tree.ts";

/** bashScript completes in bash, from version 3 on: the one that macOS has. */
export function bashScript(tree: CommandNode): string {
  const name = tree.path[0] ?? "";
  return `# Completion of ${name} for bash.
_${name}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} path=${name} start= word at
  # The command is what stands before the first word that is none.
  for ((at = 1; at < COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]}
    case "$path $word" in
${nodesOf(tree)
  .slice(1)
  .map(({ path }) => `      "${path.join(" ")}") path="$path $word" ;;`)
  .join("\n")}
      *) break ;;
    esac
  done
  # --option=value is one word, or three where COMP_WORDBREAKS has the sign, as it does unless it was changed.
  if [[ $cur == "=" ]]; then cur=
  elif [[ $prev == "=" ]]; then prev=\${COMP_WORDS[COMP_CWORD - 2]}
  elif [[ $cur == --*=* ]]; then prev=\${cur%%=*} start=\${cur%%=*}= cur=\${cur#*=}
  fi
  COMPREPLY=()
  case "$path $prev" in
${nodesOf(tree).flatMap(valueCases).join("\n")}
  esac
  case "$path" in
${nodesOf(tree).map(wordCase).join("\n")}
  esac
}
complete -o default -F _${name} ${name}
`;
}

/** The value behind an option. */
function valueCases({ path, options }: CommandNode): string[] {
  return options
    .filter(({ takes }) => takes !== undefined)
    .map(({ flags, takes }) => {
      const patterns = flags.map((flag) => `"${path.join(" ")} ${flag}"`).join(" | ");
      return `    ${patterns}) ${takes === undefined ? "" : reply(takes)}return ;;`;
    });
}

/** Commands, options, and what the argument may be. Without any, bash's own completion takes over: files. */
function wordCase({ path, commands, options, takes }: CommandNode): string {
  const flags = options.flatMap((option: OptionNode) => option.flags);
  const words = [
    ...commands.map((command) => command.path.at(-1) ?? ""),
    ...(typeof takes === "object" ? takes.words : []),
  ];
  const ownWords = words.length === 0 ? "" : `else COMPREPLY=($(compgen -W "${words.join(" ")}" -- "$cur")); `;
  return `    "${path.join(" ")}") if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "${flags.join(" ")}" -- "$cur")); ${ownWords}fi ;;`;
}

function reply(takes: Values): string {
  return typeof takes === "object"
    ? `COMPREPLY=($(compgen -P "$start" -W "${takes.words.join(" ")}" -- "$cur")); `
    : "";
}

function nodesOf(node: CommandNode): CommandNode[] {
  return [node, ...node.commands.flatMap(nodesOf)];
}
