import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const cliFile = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));

/** A server process, as an operator runs it. */
export interface ServeProcess {
  readonly child: ChildProcess;
  readonly url: string;
  /** Everything that it has printed so far. */
  output(): string;
  /** Sends a signal and resolves with how the process ended. */
  end(signal: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** Starts `millpond serve` as a process of its own and waits until it is up; rejects with its output when it ends before. */
export async function startServeProcess(env: Readonly<Record<string, string>>): Promise<ServeProcess> {
  const { DATABASE_URL: _, npm_lifecycle_event: __, ...inherited } = process.env;
  const child = spawn(process.execPath, [cliFile, "serve"], {
    env: { ...inherited, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  const up = Promise.withResolvers<string>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      const url = /"url":"([^"]+)".*"millpond is up"/.exec(line)?.[1];
      if (url !== undefined) up.resolve(url);
    });
  }
  const ended = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  void ended.then(([code, signal]) =>
    up.reject(new Error(`the server ended early (${code ?? signal}):\n${lines.join("\n")}`)),
  );
  const url = await up.promise;
  return {
    child,
    url,
    output: () => lines.join("\n"),
    end: async (name) => {
      child.kill(name);
      const [code, signal] = await ended;
      return { code, signal };
    },
  };
}

/** A port that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
