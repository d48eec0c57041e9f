import { spawn } from "node:child_process";
import type { Socket } from "node:net";
import { postgresEnvironment } from "./postgres-environment.ts";
import { runAs, type ServerUser } from "./server-user.ts";

/** GuardedProcess is a child that ends when this process does, however that comes about. */
export interface GuardedProcess {
  /** Resolves with the exit status (128 and more: a signal) once the child has ended; never rejects. */
  readonly ended: Promise<number>;
  signal(name: "INT" | "QUIT" | "KILL"): void;
}

/**
 * The guard is the parent of the guarded program and reads a pipe that this process holds open. Each line is a signal
 * to pass on; the end of the pipe, which the kernel brings about even after SIGKILL, asks the program to stop by
 * SIGINT, again and again as long as it has not set up its handlers. As its parent only the guard reaps it, so the
 * process id cannot have been reused.
 */
const guardScript = `
exec 3<&0 </dev/null
"$@" 3<&- &
pid=$!
(
  while read -r signal <&3; do kill -"$signal" $pid; done
  trap 'kill $nap; wait $nap; exit' TERM
  for try in 1 2 3 4 5 6 7 8 9 10; do kill -INT $pid || exit; sleep 1 & nap=$!; wait $nap; done
) 2>/dev/null &
reader=$!
exec 3<&-
trap 'kill -INT $pid' INT TERM HUP
while :; do
  wait $pid
  status=$?
  kill -0 $pid 2>/dev/null || break
done
kill $reader 2>/dev/null
wait $reader
exit $status
`;

/** What {@link spawnGuarded} starts. */
export interface GuardedCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly user: ServerUser | undefined;
  /** File descriptor that takes standard output and error. */
  readonly logFd: number;
}

/**
 * spawnGuarded starts a program of PostgreSQL in a session of its own, so that Ctrl-C in a terminal reaches Millpond
 * alone. The child does not keep this process from ending. On Windows there is no guard: PostgreSQL
 * outlives a killed server there and has to be ended by hand before the next start.
 */
export function spawnGuarded({ program, args, user, logFd }: GuardedCommand): GuardedProcess {
  const windows = process.platform === "win32";
  const [command, commandArgs] = windows
    ? [`${program}.exe`, args]
    : ["/bin/sh", ["-c", guardScript, "millpond-postgres-guard", program, ...args]];
  const child = spawn(command, commandArgs, {
    ...runAs(user),
    cwd: windows ? undefined : "/",
    detached: !windows,
    windowsHide: true,
    env: postgresEnvironment(),
    stdio: ["pipe", logFd, logFd],
  });
  const ended = new Promise<number>((resolve) => {
    child.once("error", () => resolve(127));
    child.once("exit", (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  });
  const pipe = child.stdin as Socket;
  // The guard may have ended just before it is written to; `ended` tells.
  pipe.on("error", () => {});
  pipe.unref();
  child.unref();
  return {
    ended,
    signal(name) {
      if (windows) child.kill("SIGKILL");
      else if (pipe.writable) pipe.write(`${name}\n`);
    },
  };
}
