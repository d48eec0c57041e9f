import type { Argument, Command, Option } from "commander";
import { CommandWithDefault } from "../command-with-default.ts";

/** CommandNode is a command as a shell completes it. */
export interface CommandNode {
  /** From the program's name down: `millpond task get`. */
  readonly path: readonly string[];
  readonly description: string;
  readonly commands: readonly CommandNode[];
  /** Also those of the command that is meant where none of its own is named. */
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
  const { options } = command instanceof CommandWithDefault ? command.default : command;
  return {
    path,
    description: firstClause(command.description()),
    commands: command.commands.map((child) => commandTree(child, path)),
    options: [...options.map(optionNode), helpOption],
    takes: valuesOfArguments(command.registeredArguments),
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

/** The first argument that can be completed says what all may be: no command has two of them. */
function valuesOfArguments(registered: readonly Argument[]): Values {
  for (const argument of registered) {
    if (argument.argChoices) return { words: argument.argChoices };
    if (["file", "program", "args"].includes(argument.name())) return "file";
  }
  return "anything";
}

/** Options that take several names list them at the end of their description, where they can be typed in several ways. */
function valuesOf(choices: readonly string[] | undefined, description: string, flags: string): Values {
  if (choices) return { words: choices };
  if (flags.includes("<file>")) return "file";
  const [, listed] = /\(([A-Z_]+(?:, [A-Z_]+)+|[a-z-]+(?:, [a-z-]+)+)\)$/.exec(description) ?? [];
  return listed === undefined ? "anything" : { words: listed.split(", ") };
}

/** A menu has room for one line. */
function firstClause(description: string): string {
  return description.replace(/\s+/g, " ").replace(/ \(.*$/, "");
}
