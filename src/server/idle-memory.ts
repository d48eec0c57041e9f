import { performance } from "node:perf_hooks";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** What {@link giveBackIdleMemory} looks at and does; for tests, something else than this process. */
export interface IdleMemoryOptions {
  /** How often it looks. Default 5 s. */
  readonly everyMs?: number;
  /** The part of the time since the last look in which the event loop had something to do, from 0 to 1. */
  readonly utilization?: () => number;
  /** How large the heap is, garbage among it, in bytes. */
  readonly heapUsed?: () => number;
  /** Collects all garbage, and gives the system back what is free then. */
  readonly collect?: () => void;
}

/** The loops of a server that nobody calls take 1 to 2 % of the time. */
const idleUtilization = 0.05;
/** So many looks in a row have to find nothing to do. */
const idleLooks = 2;
/** A collection stops everything, 90 ms for the 30 MB that are alive in a server that has just started: with as much as this it might take too long for who calls just then. */
const heapUsedMax = 512 * 1024 * 1024;

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

function createUtilization(): () => number {
  let before = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
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
