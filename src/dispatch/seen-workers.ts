import { matchesLabels } from "../domain/labels.ts";

interface SeenWorker {
  readonly kinds: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly atMs: number;
}

/** A worker that has not asked for so long counts as gone: those that wait for tasks ask again at least as often. */
const goneAfterMs = 60_000;
const workersMax = 100_000;

/** SeenWorkers remembers the workers that asked this server for tasks lately, with what each may take. */
export class SeenWorkers {
  readonly #nowMs: () => number;
  readonly #seen = new Map<string, SeenWorker>();

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Notes that a worker asks. */
  note(worker: string, kinds: readonly string[], labels: Readonly<Record<string, string>>): void {
    this.#seen.delete(worker);
    this.#seen.set(worker, { kinds, labels, atMs: this.#nowMs() });
    for (const [name, { atMs }] of this.#seen) {
      if (this.#seen.size <= workersMax && atMs > this.#nowMs() - goneAfterMs) return;
      this.#seen.delete(name);
    }
  }

  /** How many workers take tasks of a kind, whatever their labels, and how many of them have those that are required. */
  count(
    kind: string,
    required: Readonly<Record<string, string>>,
  ): { readonly kind: number; readonly matching: number } {
    const since = this.#nowMs() - goneAfterMs;
    const ofKind = [...this.#seen.values()].filter(({ atMs, kinds }) => atMs > since && kinds.includes(kind));
    return { kind: ofKind.length, matching: ofKind.filter(({ labels }) => matchesLabels(labels, required)).length };
  }
}
