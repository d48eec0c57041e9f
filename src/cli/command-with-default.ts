import { Command } from "commander";

/**
 * CommandWithDefault holds commands of which one is meant where none is named: `millpond worker --kind k -- …` is
 * `millpond worker run --kind k -- …`. Its help is that of this one, which has to name the others.
 */
export class CommandWithDefault extends Command {
  /** The command that is meant. */
  readonly default: Command;

  constructor(name: string, defaultCommand: Command) {
    super(name);
    this.default = defaultCommand;
    this.addCommand(defaultCommand, { isDefault: true });
  }
}
