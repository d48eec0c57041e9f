import { execFileSync } from "node:child_process";
import { rm } from "node:fs/promises";
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from "../../src/store/embedded-postgres/start-embedded-postgres.ts";
import { makeDataDir, postmasterPid } from "../support/spawn-embedded-postgres.ts";
import { withClient } from "../support/template-database.ts";
import { until } from "../support/until.ts";

/** A durable PostgreSQL on a folder of its own, which is started again whenever it is killed. */
export interface MortalPostgres extends AsyncDisposable {
  readonly url: string;
  /** Kills the postmaster and all of its children by SIGKILL, and waits until they are gone. */
  kill(): Promise<void>;
  /** Stops all of its processes, which keep their connections, until the function that it answers is called. */
  freeze(): () => void;
  /** Waits until it takes statements. */
  isUp(): Promise<void>;
}

/** Starts a PostgreSQL that may be killed. */
export async function startMortalPostgres(): Promise<MortalPostgres> {
  const dataDir = makeDataDir();
  const remove = () => rm(dataDir, { recursive: true, force: true });
  const postgres: EmbeddedPostgres = await startEmbeddedPostgres({ dataDir }).catch(async (error: unknown) => {
    await remove();
    throw error;
  });
  const all = () => {
    const postmaster = postmasterPid(dataDir);
    return [postmaster, ...childrenOf(postmaster)];
  };
  return {
    url: postgres.url,
    freeze: () => {
      const frozen = all();
      for (const pid of frozen) signalIfAlive(pid, "SIGSTOP");
      return () => {
        for (const pid of frozen) signalIfAlive(pid, "SIGCONT");
      };
    },
    kill: async () => {
      const killed = all();
      for (const pid of killed) signalIfAlive(pid, "SIGKILL");
      await until("PostgreSQL is gone", () => processes().every(({ pid }) => !killed.includes(pid)));
    },
    isUp: () =>
      until("PostgreSQL is up", () => withClient(postgres.url, (client) => client.query("select")).then(() => true)),
    [Symbol.asyncDispose]: () => postgres.stop().finally(remove),
  };
}

function childrenOf(parent: number): number[] {
  return processes().flatMap(({ pid, ppid }) => (ppid === parent ? [pid] : []));
}

/** The processes of this machine that have not ended. */
function processes(): { pid: number; ppid: number }[] {
  const listing = execFileSync("ps", ["-A", "-o", "pid=,ppid=,stat="], { encoding: "utf8" });
  return listing.split("\n").flatMap((line) => {
    const [pid, ppid, stat = "Z"] = line.trim().split(/\s+/);
    return stat.startsWith("Z") ? [] : [{ pid: Number(pid), ppid: Number(ppid) }];
  });
}

function signalIfAlive(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
