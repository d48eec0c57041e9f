import type { ClaimedTask, Seat } from "./waiting-workers.ts";

/** While one place in the line is about to be filled by a transaction, the other one is there for the next. */
const seatsMax = 2;

/** Credit is how many more tasks a worker takes, spread over two places in the line of workers. */
export class Credit {
  readonly #seats: readonly Seat[];
  /** What is left, by place. */
  readonly #shares: number[] = Array(seatsMax).fill(0);
  #isOffered = true;
  #claimed: ClaimedTask[] = [];

  /** @param join takes a place in the line, and is told what is claimed for it */
  constructor(
    join: (onTasks: (tasks: readonly ClaimedTask[]) => void) => Seat,
    onTasks: (tasks: readonly ClaimedTask[]) => void,
  ) {
    this.#seats = this.#shares.map((_, n) =>
      join((tasks) => {
        this.#shares[n] = Math.max((this.#shares[n] ?? 0) - tasks.length, 0);
        this.#claimed.push(...tasks);
        if (this.#claimed.length > tasks.length) return;
        // One transaction may have filled both places.
        queueMicrotask(() => {
          const claimed = this.#claimed;
          this.#claimed = [];
          onTasks(claimed);
        });
      }),
    );
  }

  /** How many tasks that are. */
  get left(): number {
    return this.#shares.reduce((sum, share) => sum + share, 0);
  }

  /** Adds some, so that both places have as many as can be. */
  add(tasks: number): void {
    const [first = 0, second = 0] = this.#shares;
    const total = first + second + tasks;
    // A share that is more than its half stays: it may be lent.
    this.#shares[0] = Math.min(Math.max(Math.ceil(total / 2), first), total - second);
    this.#shares[1] = total - this.#shares[0];
    this.#tell();
  }

  /** Makes all of it void. */
  clear(): void {
    this.#shares.fill(0);
    this.#tell();
  }

  /** Says whether the worker takes tasks now. What is on its way to it comes all the same. */
  offer(isOffered: boolean): void {
    this.#isOffered = isOffered;
    this.#tell();
  }

  /** Leaves the line. */
  leave(): void {
    for (const seat of this.#seats) seat.leave();
  }

  #tell(): void {
    for (const [n, seat] of this.#seats.entries()) seat.offer(this.#isOffered ? (this.#shares[n] ?? 0) : 0);
  }
}
