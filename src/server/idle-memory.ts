import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** What {@link giveBackIdleMemory} looks at and does; for tests, something else than this process. */
export interface IdleMemoryOptions {
  /** How often it looks. Default 5 s. */
  readonly everyMs?: number;
  /** How much of a processor this process has used since the last look, as a part of the time: 1 is one core. */
  readonly utilization?: () => number;
  /** How large the heap is, garbage among it, in bytes. */
  readonly heapUsed?: () => number;
  /** Collects all garbage, and gives the system back what is free then. */
  readonly collect?: () => void;
}

/** The loops of a server that nobody calls take 0.6 to 0.7 %, and up to 8 on machines on which it is dear to wake up. */
const idleUtilization = 0.1;
/** So many looks in a row have to find nothing to do. */
const idleLooks = 2;
/** A collection stops everything, 90 ms for the 30 MB that are alive in a server that has just started, and about 2 ms for each MB more: with as much as this, who calls just then might have to wait too long. */
const heapUsedMax = 256 * 1024 * 1024;

/**
 * Gives memory back once when this process has had something to do and then nothing for about 10 s: V8 keeps the space for young objects as large as the load before needed it, and does not look
 * again by itself while nothing is allocated. Answers what ends it; it keeps no process alive.
 */
export function giveBackIdleMemory(options: IdleMemoryOptions = {}): () => void {
  const { everyMs = 5_000, utilization = createUtilization(), collect = collectAllGarbage } = options;
  const { heapUsed = () => process.memoryUsage().heapUsed } = options;
  let hasWorked = true;
  let quiet = 0;
  const timer = setInterval(() => {
    if (utilization() > idleUtilization) {
      hasWorked = true;
      quiet = 0;
      return;
    }
    quiet += 1;
    if (!hasWorked || quiet < idleLooks || heapUsed() > heapUsedMax) return;
    hasWorked = false;
    collect();
  }, everyMs).unref();
  return () => clearInterval(timer);
}

/** Of the processor, not of the event loop: on a busy machine, that seems busy while it waits for a processor. */
function createUtilization(): () => number {
  let [cpuBefore, timeBefore] = [process.cpuUsage(), performance.now()];
  return () => {
    const { user, system } = process.cpuUsage(cpuBefore);
    const now = performance.now();
    const utilization = (user + system) / 1_000 / (now - timeBefore);
    [cpuBefore, timeBefore] = [process.cpuUsage(), now];
    return utilization;
  };
}

type Collect = (options: { readonly type: "major"; readonly flavor: "last-resort" }) => void;

/** As V8 does it when memory runs out: only then is the space for young objects made small. There is no other way to ask for it from within. */
function collectAllGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("globalThis.gc") as Collect | undefined;
  collect?.({ type: "major", flavor: "last-resort" });
}
