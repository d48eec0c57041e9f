/** What is to be added to a task. */
export interface CountDelta {
  readonly taskId: string;
  success: bigint;
  failure: bigint;
}

/** A numbered message, to be sent until it is acknowledged. */
export interface CountMessage {
  readonly sequence: bigint;
  readonly counts: CountDelta[];
}

/** The messages that may be without an acknowledgement: meanwhile counts are summed up for the next one. */
const unacknowledgedMax = 4;
const itemsPerMessageMax = 2_000;
/** The largest number that an item holds: of a sum that is larger, the rest makes another one. */
export const countMax = 2n ** 63n - 1n;

/**
 * CountBacklog holds the counts that are not durable yet: sums by task until a message is made of them, then messages in the order of their numbers.
 */
export class CountBacklog {
  readonly #tasksMax: number;
  /** The sums that wait, the oldest first; what is counted goes to the last one. A flush begins a new one. */
  #parts: Map<string, CountDelta>[] = [new Map()];
  #tasks = 0;
  #messages: CountMessage[] = [];
  #sequence = 0n;
  #room: PromiseWithResolvers<void> | undefined;
  #flushes: { parts: number; sequence: bigint; readonly settle: PromiseWithResolvers<void> }[] = [];

  constructor(tasksMax: number) {
    this.#tasksMax = tasksMax;
  }

  get isEmpty(): boolean {
    return this.#tasks === 0 && this.#messages.length === 0;
  }

  /** Adds counts. */
  add(taskId: string, success: bigint, failure: bigint): void {
    const part = this.#parts.at(-1) as Map<string, CountDelta>;
    const sum = part.get(taskId);
    if (sum !== undefined && sum.success + success <= countMax && sum.failure + failure <= countMax) {
      sum.success += success;
      sum.failure += failure;
      return;
    }
    if (sum !== undefined) {
      this.#parts.push(new Map());
      this.add(taskId, success, failure);
      return;
    }
    part.set(taskId, { taskId, success, failure });
    this.#tasks += 1;
  }

  /** Resolves when no more tasks wait than may. */
  async room(): Promise<void> {
    if (this.#tasks <= this.#tasksMax) return;
    this.#room ??= Promise.withResolvers();
    await this.#room.promise;
  }

  /** Resolves when all that was added before has been acknowledged. */
  async flushed(): Promise<void> {
    if (this.isEmpty) return;
    if ((this.#parts.at(-1)?.size ?? 0) > 0) this.#parts.push(new Map());
    const settle = Promise.withResolvers<void>();
    this.#flushes.push({ parts: this.#parts.length - 1, sequence: this.#sequence, settle });
    await settle.promise;
  }

  /** The first message after a number; a new one where there is none, something waits and few are without an acknowledgement. */
  next(after: bigint): CountMessage | undefined {
    const known = this.#messages.find(({ sequence }) => sequence > after);
    if (known !== undefined || this.#tasks === 0 || this.#messages.length >= unacknowledgedMax) return known;
    this.#sequence += 1n;
    const message = { sequence: this.#sequence, counts: this.#take() };
    this.#messages.push(message);
    return message;
  }

  /** A message that is not acknowledged. */
  message(wanted: bigint): CountMessage | undefined {
    return this.#messages.find(({ sequence }) => sequence === wanted);
  }

  /** Forgets messages up to a number; answers whether there were any. */
  acknowledge(last: bigint): boolean {
    const before = this.#messages.length;
    this.#messages = this.#messages.filter(({ sequence }) => sequence > last);
    const isDone = ({ parts, sequence }: { parts: number; sequence: bigint }) => parts <= 0 && sequence <= last;
    for (const flush of this.#flushes.filter(isDone)) flush.settle.resolve();
    this.#flushes = this.#flushes.filter((flush) => !isDone(flush));
    return this.#messages.length < before;
  }

  /** Lets go of all who wait. */
  fail(error: unknown): void {
    this.#room?.reject(error);
    for (const { settle } of this.#flushes.splice(0)) settle.reject(error);
  }

  /** Takes what waits for a message, the oldest first. */
  #take(): CountDelta[] {
    const counts: CountDelta[] = [];
    while (counts.length < itemsPerMessageMax && this.#tasks > 0) {
      const part = this.#parts[0] as Map<string, CountDelta>;
      for (const [taskId, delta] of part) {
        if (counts.length === itemsPerMessageMax) break;
        part.delete(taskId);
        counts.push(delta);
        this.#tasks -= 1;
      }
      for (const flush of this.#flushes) if (flush.parts > 0) flush.sequence = this.#sequence;
      if (part.size > 0) continue;
      if (this.#parts.length > 1) this.#parts.shift();
      for (const flush of this.#flushes) flush.parts -= 1;
    }
    if (this.#tasks <= this.#tasksMax) {
      this.#room?.resolve();
      this.#room = undefined;
    }
    return counts;
  }
}
