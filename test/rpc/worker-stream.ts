import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import type { Assignment, MillpondClient, TaskReportSchema, WorkerService } from "@millpond/sdk";
import { until } from "../support/until.ts";

type RequestInit = NonNullable<MessageInitShape<typeof WorkerService.method.work.input>["message"]>;
type Request = MessageInitShape<typeof WorkerService.method.work.input>;
type Response = MessageShape<typeof WorkerService.method.work.output>["message"];
type ValueOf<Case> = Extract<Response, { case: Case }> extends { value: infer Value } ? Value : never;

/** What a worker says first. */
export interface HelloInit {
  readonly workerId: string;
  readonly kinds: string[];
  readonly slots: number;
  readonly labels?: Record<string, string>;
}

/** WorkerStream is a stream of a worker that a test speaks for: what is sent, and all that has come so far. */
export class WorkerStream {
  readonly received: Response[] = [];
  /** How it ended: undefined while it goes on, null without an error. */
  ended: ConnectError | null | undefined;
  readonly #sent: Request[] = [];
  readonly #abort = new AbortController();
  #hasEnded = false;
  #wake = (): void => {};
  #resume: (() => void) | undefined;
  #paused: Promise<void> | undefined;
  #sequence = 0n;

  constructor(client: Pick<MillpondClient, "workers">, hello?: HelloInit) {
    if (hello !== undefined) this.send({ case: "hello", value: hello });
    void this.#read(client);
  }

  send(message: RequestInit): void {
    this.#sent.push({ message });
    this.#wake();
  }

  credit(tasks: number): void {
    this.send({ case: "credit", value: { tasks } });
  }

  heartbeat(...held: readonly Assignment[]): void {
    const leases = held.map(({ task, attempt }) => ({ taskId: task?.taskId ?? "", attempt }));
    this.send({ case: "heartbeat", value: { leases } });
  }

  /** Reports successes, or what `report` says, in one message; answers its number. */
  report(
    attempts: readonly Assignment[],
    report: MessageInitShape<typeof TaskReportSchema>["report"] = { case: "success", value: {} },
  ): bigint {
    this.#sequence += 1n;
    const reports = attempts.map(({ task, attempt }) => ({ taskId: task?.taskId ?? "", attempt, report }));
    this.send({ case: "reports", value: { sequence: this.#sequence, reports } });
    return this.#sequence;
  }

  /** Says that nothing more comes. */
  end(): void {
    this.#hasEnded = true;
    this.#wake();
  }

  /** Breaks the stream off. */
  break(): void {
    this.#abort.abort();
  }

  /** Takes no more of what comes, until `resume`. */
  pause(): void {
    this.#paused = new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  resume(): void {
    this.#paused = undefined;
    this.#resume?.();
  }

  /** All assignments that have come. */
  get assignments(): Assignment[] {
    return this.received.flatMap((message) => (message.case === "assignments" ? message.value.assignments : []));
  }

  /** The messages of one kind that have come. */
  of<Case extends Response["case"]>(which: Case): ValueOf<Case>[] {
    // The filter makes the type true.
    return this.received.flatMap((message) => (message.case === which ? [message.value] : [])) as ValueOf<Case>[];
  }

  /** Waits for so many assignments in all, and answers them. */
  async assigned(count: number): Promise<Assignment[]> {
    await until(`${count} assignments`, () => {
      if (this.ended) throw this.ended;
      return this.assignments.length >= count;
    });
    return this.assignments;
  }

  /** Waits for the end of the stream; answers its error. */
  async over(): Promise<ConnectError | null> {
    await until("the end of the stream", () => this.ended !== undefined);
    return this.ended ?? null;
  }

  async #read(client: Pick<MillpondClient, "workers">): Promise<void> {
    try {
      for await (const { message } of client.workers.work(this.#requests(), { signal: this.#abort.signal })) {
        this.received.push(message);
        await this.#paused;
      }
      this.ended = null;
    } catch (error) {
      this.ended = ConnectError.from(error);
    }
  }

  async *#requests(): AsyncGenerator<Request> {
    for (;;) {
      const request = this.#sent.shift();
      if (request !== undefined) yield request;
      else if (this.#hasEnded) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}
