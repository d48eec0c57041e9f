/** Whether the server can serve, and why it cannot. */
export interface ReadyState {
  readonly ok: boolean;
  readonly detail: string;
}

/** Readiness answers whether the server can serve, cheaply enough to be asked by many at once. */
export interface Readiness {
  /** The state, at most a second old. Never rejects. */
  check(): Promise<ReadyState>;
  /** From now on the answer is no, because the server is stopping. */
  drain(): void;
  /** Aborted by {@link Readiness.drain}. */
  readonly draining: AbortSignal;
}

const cacheMs = 1_000;
const timeoutMs = 2_000;

/**
 * Creates readiness from a probe. An answer is kept for a second and shared by all who ask meanwhile; a probe that throws
 * or takes longer than two seconds counts as not ready.
 */
export function createReadiness(ready: () => Promise<ReadyState>, now: () => number): Readiness {
  const controller = new AbortController();
  let asked: { at: number; state: Promise<ReadyState> } | undefined;
  return {
    check() {
      if (controller.signal.aborted) return Promise.resolve({ ok: false, detail: "the server is shutting down" });
      if (asked === undefined || now() - asked.at >= cacheMs) asked = { at: now(), state: probe(ready) };
      return asked.state;
    },
    drain: () => controller.abort(),
    draining: controller.signal,
  };
}

async function probe(ready: () => Promise<ReadyState>): Promise<ReadyState> {
  const { promise: late, resolve } = Promise.withResolvers<ReadyState>();
  const timer = setTimeout(() => resolve({ ok: false, detail: `no answer within ${timeoutMs} ms` }), timeoutMs);
  try {
    return await Promise.race([ready(), late]);
  } catch (error) {
    return { ok: false, detail: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
  }
}
