import { createClient, type MillpondClient } from "@millpond/sdk";
import { CommandFailure, exitCodes } from "../command-failure.ts";
import { listenForStop } from "../stop-signals.ts";
import { openScreen, type Screen } from "../terminal/screen.ts";
import { type ConnectionOptions, defaultAddress } from "./client-command.ts";
import { explainFailure } from "./explain-failure.ts";
import { troubleTeller } from "./trouble-teller.ts";

/** Session is what a command works with while it speaks to a server. */
export interface Session {
  readonly client: MillpondClient;
  /** Aborted by Ctrl-C and the like, and when nobody reads the output any more. */
  readonly signal: AbortSignal;
  readonly screen: Screen;
  readonly json: boolean;
  /** Tells of what went wrong and is being dealt with, on stderr, each trouble once. */
  readonly onTrouble: (error: unknown) => void;
}

/** WithServerOptions says what it means that a signal came. */
export interface WithServerOptions {
  /** What is said when a signal broke it off. */
  readonly stopped?: string;
  /** A signal asks the work to finish: when it has, the command is a success. */
  readonly finishesOnSignal?: boolean;
}

/**
 * withServer calls back with a client of the server that the options name, and closes it afterwards. Failures that a
 * person can mend are explained; what a signal broke off ends without words, or with those of `stopped`, by the signal's exit code.
 */
export async function withServer(
  options: ConnectionOptions,
  work: (session: Session) => Promise<void>,
  { stopped = "", finishesOnSignal = false }: WithServerOptions = {},
): Promise<void> {
  using stop = listenForStop();
  const client = openClient(options);
  const { signal } = stop;
  try {
    await work({
      ...{ client, signal, json: options.json === true },
      screen: openScreen(process.stdout),
      onTrouble: troubleTeller(client.address),
    });
    // That nobody read what was written last is known in the next turn.
    await new Promise(setImmediate);
    if (!finishesOnSignal) signal.throwIfAborted();
  } catch (error) {
    if (stop.exitCode !== undefined && !finishesOnSignal)
      throw new CommandFailure(stop.isBrokenPipe ? "" : stopped, stop.exitCode);
    throw await explainFailure(error, client.address);
  } finally {
    client.close();
  }
}

function openClient({ address, token }: ConnectionOptions): MillpondClient {
  try {
    return createClient({ address: address || defaultAddress, token });
  } catch (error) {
    throw new CommandFailure((error as Error).message, exitCodes.misuse);
  }
}
