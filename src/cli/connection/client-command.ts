import { Command, Option } from "commander";

/** Where a server is when nobody says so. */
export const defaultAddress = "http://127.0.0.1:8085";

/** ConnectionOptions are what every command that speaks to a server takes. */
export interface ConnectionOptions {
  readonly address: string;
  readonly token?: string;
  readonly json?: boolean;
}

/** clientCommand begins a command that speaks to a server: with `--json`, `--address` and `--token` after its own options. */
export function clientCommand(
  name: string,
  jsonDescription = "print JSON: the answer's messages as ProtoJSON",
): Command {
  return new ClientCommand(name, jsonDescription);
}

/** Help lists options in the order in which they were added: those that all commands share come last. */
class ClientCommand extends Command {
  readonly #shared: readonly Option[];

  constructor(name: string, jsonDescription: string) {
    super(name);
    this.#shared = [
      new Option("--json", jsonDescription),
      new Option("--address <url>", "the server").env("MILLPOND_ADDRESS").default(defaultAddress),
      new Option("--token <token>", "sent as a bearer token; the environment shows it to fewer eyes").env(
        "MILLPOND_TOKEN",
      ),
    ];
  }

  override action(listener: Parameters<Command["action"]>[0]): this {
    for (const option of this.#shared) this.addOption(option);
    return super.action(listener);
  }
}
