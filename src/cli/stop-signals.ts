import { constants } from "node:os";

/** One Ctrl-C can arrive twice, from the terminal and again from npm or a launcher. */
const sameSignalWithinMs = 250;
const parentCheckMs = 1_000;
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** brokenPipeExitCode is how a shell tells that a program had nobody to write to. */
export const brokenPipeExitCode = 128 + constants.signals.SIGPIPE;

/** StopSignals is told when the command should end. */
export interface StopSignals extends Disposable {
  /** Aborted by the first signal, and when nobody reads the output any more. */
  readonly signal: AbortSignal;
  /** 128 + n after signal n. */
  readonly exitCode: number | undefined;
  /** It ends because nobody reads its output: who would read why? */
  readonly isBrokenPipe: boolean;
}

/**
 * listenForStop listens for SIGINT, SIGTERM and SIGHUP: the first one aborts the signal, so that the command can end in
 * good order; the second ends the process at once. Output into a pipe that was closed, as by `head`, counts as a first one.
 */
export function listenForStop(): StopSignals {
  const controller = new AbortController();
  let exitCode: number | undefined;
  let firstAtMs = 0;
  const onSignal = (name: NodeJS.Signals) => {
    const code = 128 + constants.signals[name];
    if (exitCode === undefined) {
      exitCode = code;
      firstAtMs = performance.now();
      controller.abort(new Error(`stopped by ${name}`));
    } else if (performance.now() - firstAtMs > sameSignalWithinMs) {
      process.exit(code);
    }
  };
  const onOutputError = (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    exitCode ??= brokenPipeExitCode;
    controller.abort(error);
  };
  for (const name of signals) process.on(name, onSignal);
  process.stdout.on("error", onOutputError);
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
    get isBrokenPipe() {
      return exitCode === brokenPipeExitCode;
    },
    [Symbol.dispose]() {
      for (const name of signals) process.off(name, onSignal);
      // That of the output stays: what was written last may fail after this.
    },
  };
}

/** ignoreStopSignals leaves SIGINT, SIGTERM and SIGHUP to another process of the same server. */
export function ignoreStopSignals(): void {
  for (const name of signals) process.on(name, () => {});
}

/**
 * onParentGone calls back once the process that started this one has ended: at once when they are connected by IPC,
 * within a second when npm started it. A server would otherwise outlive the terminal in which it was started.
 */
export function onParentGone(callback: () => void): Disposable {
  if (process.connected) {
    process.once("disconnect", callback);
    return { [Symbol.dispose]: () => process.off("disconnect", callback) };
  }
  if (process.env.npm_lifecycle_event === undefined) return { [Symbol.dispose]: () => {} };
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    callback();
  }, parentCheckMs).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
