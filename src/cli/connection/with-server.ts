import { createClient, type MillpondClient } from "@millpond/sdk";
import { CommandFailure, exitCodes } from "../command-failure.ts";
import { describeError } from "../describe-error.ts";
import { listenForStop } from "../stop-signals.ts";
import { openScreen, type Screen } from "../terminal/screen.ts";
import { type ConnectionOptions, defaultAddress } from "./client-command.ts";
import { explainFailure } from "./explain-failure.ts";

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

/**
 * withServer calls back with a client of the server that the options name, and closes it afterwards. Failures that a
 * person can mend are explained; what a signal broke off ends without words, or with those of `stopped`, by the signal's exit code.
 */
export async function withServer(
  options: ConnectionOptions,
  work: (session: Session) => Promise<void>,
  { stopped = "" }: { readonly stopped?: string } = {},
): Promise<void> {
  using stop = listenForStop();
  const client = openClient(options);
  const { signal } = stop;
  try {
    await work({
      ...{ client, signal, json: options.json === true },
      screen: openScreen(process.stdout),
      onTrouble: troubleTeller(),
    });
    if (stop.exitCode !== undefined) throw signal.reason;
  } catch (error) {
    if (stop.exitCode !== undefined) throw new CommandFailure(stop.isBrokenPipe ? "" : stopped, stop.exitCode);
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

/** A server that is away is the same trouble at every attempt to reach it. */
function troubleTeller(): (error: unknown) => void {
  const told = new Set<string>();
  return (error) => {
    const text = describeError(error);
    if (!told.has(text)) process.stderr.write(`millpond: ${text}; going on\n`);
    told.add(text);
  };
}
