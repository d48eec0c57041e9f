/** How a stream of requests is answered. */
export interface PipelineOptions<Request, Answer> {
  /** Ends the reading. What has been taken is answered all the same if `answersAfter` says so of the reason, and then the reason is thrown. */
  readonly signal: AbortSignal;
  readonly answersAfter: (reason: unknown) => boolean;
  /** Takes a request, which has its answer later. One that throws or rejects ends the stream, once those before it are answered. */
  readonly take: (request: Request) => Promise<Answer>;
  /** How many requests may be without an answer; the next one is not read before. */
  readonly unansweredMax: number;
  /** Resolves when there is room to take more; undefined: there is. */
  readonly room?: () => Promise<void> | undefined;
  /** After so long without answers, an empty list comes. */
  readonly idleMs: number;
}

type Slot<Answer> = { answer?: { readonly value: Answer } | { readonly error: unknown } };

/**
 * Answers the requests of a stream in their order, while it goes on reading: each list has all the answers that are there. Nothing is read that there is no room
 * for: so flow control holds back who sends.
 */
export function pipeline<Request, Answer>(
  requests: AsyncIterable<Request>,
  options: PipelineOptions<Request, Answer>,
): AsyncGenerator<readonly Answer[]> {
  return new StreamPipeline(requests[Symbol.asyncIterator](), options).answers();
}

class StreamPipeline<Request, Answer> {
  readonly #requests: AsyncIterator<Request>;
  readonly #options: PipelineOptions<Request, Answer>;
  #line: Slot<Answer>[] = [];
  #isReading = false;
  #hasEnded = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(requests: AsyncIterator<Request>, options: PipelineOptions<Request, Answer>) {
    this.#requests = requests;
    this.#options = options;
  }

  async *answers(): AsyncGenerator<readonly Answer[]> {
    const { signal, answersAfter, idleMs } = this.#options;
    const onAbort = (): void => this.#end();
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) this.#end();
    try {
      this.#read();
      for (;;) {
        const answers = this.#takeAnswers();
        if (answers.length > 0) {
          this.#read();
          yield answers;
          continue;
        }
        const [head] = this.#line;
        if (head?.answer !== undefined && "error" in head.answer) throw head.answer.error;
        if (signal.aborted && !answersAfter(signal.reason)) throw signal.reason;
        if (this.#hasEnded && head === undefined) break;
        if (!(await this.#change(idleMs))) yield [];
      }
      if (this.#failure !== undefined) throw this.#failure.error;
      signal.throwIfAborted();
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#hasEnded = true;
    }
  }

  /** The answers from the head of the line on, as far as they are there. */
  #takeAnswers(): Answer[] {
    let count = 0;
    const answers: Answer[] = [];
    for (; count < this.#line.length; count += 1) {
      const answer = this.#line[count]?.answer;
      if (answer === undefined || "error" in answer) break;
      answers.push(answer.value);
    }
    this.#line.splice(0, count);
    return answers;
  }

  /** Reads the next request, where nothing is being read and there is room for it. */
  #read(): void {
    const { unansweredMax, room } = this.#options;
    if (this.#isReading || this.#hasEnded || this.#line.length >= unansweredMax) return;
    this.#isReading = true;
    const full = room?.();
    if (full === undefined) this.#requests.next().then(this.#onNext, this.#onFailure);
    else void full.then(this.#onRoom);
  }

  readonly #onRoom = (): void => {
    this.#isReading = false;
    this.#read();
  };

  readonly #onNext = ({ done, value }: IteratorResult<Request, unknown>): void => {
    this.#isReading = false;
    // What comes after the end is not taken: whoever sent it is told that the stream is over.
    if (this.#hasEnded) return;
    if (done === true) {
      this.#end();
      return;
    }
    const slot: Slot<Answer> = {};
    this.#line.push(slot);
    const settle = (answer: NonNullable<Slot<Answer>["answer"]>): void => {
      slot.answer = answer;
      if ("error" in answer) this.#hasEnded = true;
      if (this.#line[0] === slot) this.#wakeUp();
    };
    this.#take(value as Request).then(
      (taken) => settle({ value: taken }),
      (error: unknown) => settle({ error }),
    );
    this.#read();
  };

  readonly #onFailure = (error: unknown): void => {
    if (this.#hasEnded) return;
    this.#failure = { error };
    this.#end();
  };

  async #take(request: Request): Promise<Answer> {
    return this.#options.take(request);
  }

  #end(): void {
    this.#hasEnded = true;
    this.#wakeUp();
  }

  #wakeUp(): void {
    this.#wake?.();
  }

  /** Waits until something has changed; false: nothing has, for so long. */
  #change(idleMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (changed: boolean): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve(changed);
      };
      const timer = setTimeout(end, idleMs, false);
      this.#wake = () => end(true);
    });
  }
}
