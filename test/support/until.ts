import { setTimeout as delay } from "node:timers/promises";

/** Waits until a condition holds, looking again every few milliseconds; a look that throws counts as not yet. Fails after the deadline, naming the condition. */
export async function until(
  condition: string,
  holds: () => boolean | Promise<boolean>,
  deadlineMs = 60_000,
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  let last: unknown;
  while (performance.now() < deadline) {
    try {
      if (await holds()) return;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await delay(10);
  }
  throw new Error(`not in ${deadlineMs / 1000} s: ${condition}`, { cause: last });
}
