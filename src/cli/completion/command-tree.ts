import type { Argument, Command, Option } from "commander";

/** CommandNode is a command as a shell completes it. */
export interface CommandNode {
  /** From the program's name down: `millpond task get`. */
  readonly path: readonly string[];
  readonly description: string;
  readonly commands: readonly CommandNode[];
  readonly options: readonly OptionNode[];
  /** What its arguments may be. */
  readonly takes: Values;
}

/** OptionNode is an option as a shell completes it. */
export interface OptionNode {
  /** `-q` and `--quiet`, or one of them. */
  readonly flags: readonly string[];
  readonly description: string;
  /** Undefined: it takes no value. */
  readonly takes: Values | undefined;
}

/** Values is what may stand in a place: one of some words, the path of a file, or anything. */
export type Values = { readonly words: readonly string[] } | "file" | "anything";

/** commandTree reads the tree of commands as they were defined, so that a script never says anything else. */
export function commandTree(command: Command, parents: readonly string[] = []): CommandNode {
  const path = [...parents, command.name()];
  return {
    path,
    description: firstClause(command.description()),
    commands: command.commands.map((child) => commandTree(child, path)),
    options: [...command.options.map(optionNode), helpOption],
    takes: valuesOfArgument(command.registeredArguments[0]),
  };
}

const helpOption: OptionNode = { flags: ["-h", "--help"], description: "show help", takes: undefined };

function optionNode(option: Option): OptionNode {
  const { short, long, description, required, optional, argChoices, flags } = option;
  return {
    flags: [short, long].filter((flag) => flag !== undefined),
    description: firstClause(description),
    takes: required || optional ? valuesOf(argChoices, description, flags) : undefined,
  };
}

function valuesOfArgument(argument: Argument | undefined): Values {
  if (!argument) return "anything";
  const { argChoices } = argument;
  if (argChoices) return { words: argChoices };
  return ["file", "program", "args"].includes(argument.name()) ? "file" : "anything";
}

/** Options of statuses name them in their description, where they can be typed in several ways. */
function valuesOf(choices: readonly string[] | undefined, description: string, flags: string): Values {
  if (choices) return { words: choices };
  const [, listed] = flags.includes("<status>") ? (/\(([A-Z, ]+)\)$/.exec(description) ?? []) : [];
  return listed === undefined ? "anything" : { words: listed.split(", ") };
}

/** A menu has room for one line. */
function firstClause(description: string): string {
  return description.replace(/\s+/g, " ").replace(/ \(.*$/, "");
}
