import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { MillpondClient } from "@millpond/sdk";
import { setup } from "../../support/setup.ts";
import { until } from "../../support/until.ts";
import { type MillpondProcess, runMillpond, startMillpond } from "./millpond-process.ts";

/** A server on a database of its own, and the command line beside it, which finds it by MILLPOND_ADDRESS. */
export interface CommandLineSetup extends AsyncDisposable {
  readonly url: string;
  readonly client: MillpondClient;
  readonly folder: string;
  /** Runs a command to its end. */
  run(
    args: readonly string[],
    stdin?: string,
  ): Promise<{ code: number | NodeJS.Signals; stdout: string; stderr: string }>;
  /** Runs a command to its end, which must be a success, and answers what it printed as JSON. */
  json(...args: string[]): Promise<ReturnType<typeof JSON.parse>>;
  start(args: readonly string[], env?: Readonly<Record<string, string>>): MillpondProcess;
  /** Writes a file and answers its path. */
  file(name: string, text: string): Promise<string>;
}

/** Starts a server for commands; everything ends with the `await using`, or the call of `Symbol.asyncDispose`. */
export async function commandLineSetup(env: Readonly<Record<string, string>> = {}): Promise<CommandLineSetup> {
  const server = await setup(env);
  const folder = await mkdtemp(path.join(tmpdir(), "millpond-cli-"));
  const started: MillpondProcess[] = [];
  const address = { MILLPOND_ADDRESS: server.url };
  const run = (args: readonly string[], stdin = "") => runMillpond(args, address, stdin);
  return {
    ...{ url: server.url, client: server.client, folder, run },
    json: async (...args) => {
      const { code, stdout, stderr } = await run([...args, "--json"]);
      if (code !== 0) throw new Error(`millpond ${args.join(" ")} ended with ${code}: ${stderr}`);
      return JSON.parse(stdout);
    },
    start: (args, more = {}) => {
      const process = startMillpond(args, { ...address, ...more });
      started.push(process);
      return process;
    },
    file: async (name, text) => {
      const file = path.join(folder, name);
      await writeFile(file, text);
      return file;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(started.map(endLeftOver));
      server.client.close();
      await server[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A test that fails leaves its commands running: a second signal ends each at once, and with it what it has started. */
export async function endLeftOver({ exit, kill }: MillpondProcess): Promise<void> {
  let isOver = false;
  void exit.finally(() => {
    isOver = true;
  });
  await until("a command that was left over has ended", async () => {
    if (!isOver) kill("SIGTERM");
    await Promise.race([exit, sleep(300)]);
    return isOver;
  });
}
