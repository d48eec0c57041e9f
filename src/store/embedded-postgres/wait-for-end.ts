import type { GuardedProcess } from "./spawn-guarded.ts";

/**
 * waitForEnd is the exit status of a process, or undefined when it has not ended within the time. It keeps this process
 * running.
 */
export async function waitForEnd({ ended }: GuardedProcess, timeoutMs: number): Promise<number | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), timeoutMs);
  });
  try {
    return await Promise.race([ended, late]);
  } finally {
    clearTimeout(timer);
  }
}
