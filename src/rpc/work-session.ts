import { releaseClaims } from "../commands/claim-tasks.ts";
import type { LeaseResult } from "../commands/extend-leases.ts";
import { boundsOf, type WatchedAttempt } from "../dispatch/attempt-watch.ts";
import { Credit } from "../dispatch/credit.ts";
import { type ClaimedTask, withoutAssignments } from "../dispatch/waiting-workers.ts";
import type { ConnectedStream, HandedAttempt } from "../dispatch/worker-roster.ts";
import { invalidField, MillpondError } from "../domain/errors.ts";
import type { LeaseRef } from "../gen/millpond/v1/worker_pb.ts";
import type {
  WorkerHello,
  WorkerLogs,
  WorkerReports,
  WorkRequest,
  WorkResponse,
} from "../gen/millpond/v1/worker_service_pb.ts";
import { Outbox } from "../lib/outbox.ts";
import { loadAssignments } from "../queries/load-assignments.ts";
import {
  assignmentList,
  cancelAttempt,
  leaseLost,
  noAssignments,
  reportResults,
  serverDrain,
  welcome,
} from "../wire/work-response.ts";
import { appendStreamed } from "./logs.ts";
import { takeReports } from "./reports.ts";
import { namesOf, type RpcDeps } from "./rpc-deps.ts";

interface Sent {
  readonly response: WorkResponse;
  /** Tasks that the worker learns of by it. */
  readonly tasks?: readonly ClaimedTask[];
}

type Held = WatchedAttempt & HandedAttempt;

const creditMax = 10_000;
/** From so many lists of assignments that nobody takes on, a worker counts as one that does not read: it gets no more. */
const listsMax = 2;
/** So long it may take to go on reading before what has been claimed for it meanwhile is given back. */
const listPatienceMs = 1_000;
/** How many messages with reports, or lines of log, are under way at once; the next message is not read before. */
const unansweredMax = 4;
/** What one statement extends for a worker, at most: no worker has as many attempts. */
const leasesMax = 20_000;
/** From so many answers that nobody takes on, nothing more is read. */
const answersWaitingMax = 64;
/** After so long without anything to send, something is sent all the same: proxies cut streams that are silent. */
const keepaliveMs = 15_000;

/**
 * WorkSession is one stream of a worker, behind its hello:
 *
 *     active ──► draining (the worker takes no more; or the server stops) ──► over
 *
 * What the line of workers hands over, within the credit, is read and sent; it is given back where the worker is not told of it. When the stream
 * is lost, its attempts stay the worker's for one more heartbeat interval, so that it can go on by another stream.
 */
export class WorkSession {
  readonly #deps: RpcDeps;
  readonly #hello: WorkerHello;
  readonly #worker: number;
  readonly #isJson: boolean;
  readonly #outbox: Outbox<Sent>;
  readonly #attempts = new Map<bigint, Held>();
  #credit: Credit | undefined;
  #connection: ConnectedStream | undefined;
  /** Lists of assignments that are being made or have not been taken on, and of those the latter. */
  #lists = 0;
  #untaken = 0;
  #onListTaken: (() => void)[] = [];
  #isDraining = false;
  #drainReason: unknown;
  #isOver = false;
  #keepsLeases = false;
  #silence: NodeJS.Timeout | undefined;
  #keepalive: NodeJS.Timeout | undefined;
  #drainEnd: NodeJS.Timeout | undefined;
  #sequence = -1n;
  /** Calls under way, and the tasks whose reports are. */
  #unanswered = 0;
  readonly #reporting = new Map<string, number>();
  #answered: Promise<void> = Promise.resolve();
  #logged: Promise<void> = Promise.resolve();
  #nextHeartbeat: readonly LeaseRef[] | undefined;
  #isBeating = false;
  #room: (() => void) | undefined;

  constructor(
    deps: RpcDeps,
    worker: { readonly hello: WorkerHello; readonly worker: number; readonly isJson: boolean },
  ) {
    this.#deps = deps;
    this.#hello = worker.hello;
    this.#worker = worker.worker;
    this.#isJson = worker.isJson;
    this.#outbox = new Outbox((sent) => this.#taken(sent));
  }

  /** Takes its place among the connected workers. Fails with LIMIT_EXCEEDED. */
  start(): void {
    const { roster, workers, heartbeatMs } = this.#deps;
    const { workerId, kinds, labels, slots } = this.#hello;
    this.#connection = roster.connect(
      workerId,
      { kinds, labels, slots },
      { running: () => this.#attempts.values(), onReplaced: () => this.#replaced() },
    );
    const request = { worker: this.#worker, kinds, labels, leaseMs: heartbeatMs * 2 };
    this.#credit = new Credit(
      (onTasks) => workers.join({ ...request, onTasks }),
      (tasks) => void this.#assign(tasks),
    );
    this.#silence = setTimeout(() => this.#silent(), heartbeatMs * 2);
    this.#keepalive = setInterval(() => {
      if (this.#outbox.size === 0) this.#send({ response: noAssignments() });
    }, keepaliveMs);
    this.#send({ response: welcome(heartbeatMs, heartbeatMs * 2) });
  }

  /** What is sent, up to the end of the stream. */
  async *responses(): AsyncGenerator<WorkResponse> {
    for await (const { response } of this.#outbox.items()) yield response;
  }

  /** Reads what the worker sends, up to its end. Never rejects. */
  async read(requests: AsyncIterator<WorkRequest>): Promise<void> {
    try {
      while (!this.#isOver) {
        const next = await requests.next();
        if (next.done === true) break;
        this.#connection?.heard();
        this.#silence?.refresh();
        this.#take(next.value);
        while (this.#isFull && !this.#isOver) await this.#hasRoom();
      }
      if (!this.#isOver) this.#takesNoMore();
      await Promise.all([this.#answered, this.#logged]);
      this.end();
    } catch (error) {
      this.end(error);
    }
  }

  /** The server stops, for this reason: no more is assigned; the stream ends when the worker has nothing left to report, or some time later. */
  drain(reason: unknown): void {
    if (this.#isOver) return;
    this.#isDraining = true;
    this.#keepsLeases = true;
    this.#drainReason = reason;
    this.#offer();
    this.#send({ response: serverDrain() });
    this.#drainEnd = setTimeout(() => this.end(reason), this.#deps.workerDrainMs);
    this.#endIfDrained();
  }

  /** Ends the stream: with an error, at once. */
  end(error?: unknown): void {
    this.#outbox.end(error);
    if (error !== undefined) this.#over();
  }

  /** Frees what the stream holds. Harmless when that is done. */
  close(): void {
    this.#over();
    const { engine, attempts, heartbeatMs } = this.#deps;
    const untold = this.#outbox.drain().flatMap(({ tasks = [] }) => tasks);
    for (const { id } of untold) this.#drop(id);
    void releaseClaims(engine, untold).catch(() => {});
    const lost = [...this.#attempts.values()];
    for (const attempt of lost) attempts.remove(attempt);
    this.#attempts.clear();
    const open = lost.filter(({ isClosing, leaseUntil }) => !isClosing && leaseUntil > 0);
    if (open.length > 0 && !this.#keepsLeases) attempts.cutLeases(open, heartbeatMs);
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#silence);
    clearInterval(this.#keepalive);
    clearTimeout(this.#drainEnd);
    this.#credit?.leave();
    this.#connection?.leave();
    this.#room?.();
    for (const resolve of this.#onListTaken.splice(0)) resolve();
  }

  #replaced(): void {
    const { workerId } = this.#hello;
    this.#keepsLeases = true;
    const message = `worker "${workerId}" has another stream now, which ends this one; give each worker a name of its own`;
    this.end(new MillpondError("LEASE_LOST", message, { metadata: { worker_id: workerId } }));
  }

  #silent(): void {
    if (this.#isFull) {
      // It is not read, so nothing can come.
      this.#silence?.refresh();
      return;
    }
    const silentMs = this.#deps.heartbeatMs * 2;
    this.end(
      new MillpondError("LEASE_LOST", `nothing came for ${silentMs} ms, twice the heartbeat interval; connect again`),
    );
  }

  #take({ message }: WorkRequest): void {
    switch (message.case) {
      case "hello":
        throw invalidField("hello", "comes a second time; it is the first message, once");
      case "credit":
        this.#addCredit(message.value.tasks);
        return;
      case "heartbeat":
        this.#heartbeat(message.value.leases);
        return;
      case "reports":
        this.#report(message.value);
        return;
      case "logs":
        this.#log(message.value);
        return;
      case "drain":
        this.#takesNoMore();
        return;
      default:
    }
  }

  /** The worker has said so, or sends nothing any more, and then could not report what it gets. */
  #takesNoMore(): void {
    this.#isDraining = true;
    this.#credit?.clear();
    this.#connection?.drain();
  }

  // Credit and assignments

  #addCredit(tasks: number): void {
    if (this.#isDraining && this.#drainReason === undefined) throw invalidField("credit", "comes after drain");
    const left = this.#credit?.left ?? 0;
    if (left + tasks > creditMax) {
      throw invalidField("credit.tasks", `${tasks} more than the ${left} that are left are over ${creditMax}`);
    }
    this.#credit?.add(tasks);
  }

  #offer(): void {
    this.#credit?.offer(!this.#isDraining && !this.#isOver && this.#lists < listsMax);
  }

  /**
   * Sends what was claimed, as much at a time as an answer holds, while the worker reads. What is left when it does not, or takes no more, is given back: the worker has
   * not been told of it. Never rejects.
   */
  async #assign(claimed: readonly ClaimedTask[]): Promise<void> {
    this.#lists += 1;
    this.#offer();
    // What is waited with may have changed: it is read again.
    let left = this.#isUnread ? withoutAssignments(claimed) : claimed;
    try {
      while (left.length > 0 && (await this.#mayAssign())) {
        const unsent = await this.#sendSome(left);
        if (unsent === left) break;
        left = withoutAssignments(unsent);
      }
    } catch (error) {
      this.end(error);
    }
    this.#lists -= 1;
    if (left.length > 0) {
      // Where the database is away, leases run out by themselves.
      await releaseClaims(this.#deps.engine, left).catch(() => {});
      if (!this.#isDraining) this.#credit?.add(left.length);
    }
    this.#offer();
  }

  /** Whether more can be sent, for which it waits a moment. */
  async #mayAssign(): Promise<boolean> {
    const isOpen = (): boolean => !this.#isDraining && !this.#isOver;
    if (isOpen() && this.#isUnread) await this.#listTaken();
    return isOpen() && !this.#isUnread;
  }

  /** Whether nobody takes on what has been sent. */
  get #isUnread(): boolean {
    return this.#untaken >= listsMax;
  }

  /** Sends the first of some tasks; answers the others: the same list where nothing can be sent, be it that all of them are over. */
  async #sendSome(claimed: readonly ClaimedTask[]): Promise<readonly ClaimedTask[]> {
    const { engine, specs } = this.#deps;
    const { loaded, left } = await loadAssignments(engine, claimed);
    const tasks = loaded.map(({ task }) => task);
    if (tasks.length === 0) return claimed;
    const names = { ...(await namesOf(this.#deps, tasks)), specs };
    if (this.#isDraining || this.#isOver) return claimed;
    for (const task of tasks) this.#watch(boundsOf(task));
    this.#untaken += 1;
    this.#lists += 1;
    this.#send({ response: assignmentList(loaded, names, this.#isJson), tasks });
    return left;
  }

  #listTaken(): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(end, listPatienceMs);
      this.#onListTaken.push(end);
    });
  }

  #watch({ id, attempt, leaseUntil, overrunMs }: Pick<Held, "id" | "attempt" | "leaseUntil" | "overrunMs">): void {
    const held: Held = {
      id,
      attempt,
      leaseUntil,
      overrunMs,
      sinceMs: performance.now(),
      isClosing: false,
      onReported: () => this.#drop(id),
      onOver: ({ stop, reason }) => {
        if (this.#attempts.get(id) === held) this.#attempts.delete(id);
        const taskId = this.#deps.ids.encode(id);
        this.#send({ response: stop ? cancelAttempt(taskId, attempt, reason) : leaseLost(taskId, attempt) });
        this.#endIfDrained();
      },
    };
    this.#attempts.set(id, held);
    this.#deps.attempts.add(held);
  }

  #drop(id: bigint): void {
    const held = this.#attempts.get(id);
    if (held === undefined) return;
    this.#attempts.delete(id);
    this.#deps.attempts.remove(held);
    this.#endIfDrained();
  }

  // Heartbeats

  /** While one is written, the next ones become one, of which the newest leases count. */
  #heartbeat(leases: readonly LeaseRef[]): void {
    this.#nextHeartbeat = [...(this.#nextHeartbeat ?? []), ...leases].slice(-leasesMax);
    if (!this.#isBeating) void this.#beat().catch((error: unknown) => this.end(error));
  }

  async #beat(): Promise<void> {
    this.#isBeating = true;
    try {
      for (let leases = this.#nextHeartbeat; leases !== undefined && !this.#isOver; leases = this.#nextHeartbeat) {
        this.#nextHeartbeat = undefined;
        await this.#extend(leases);
      }
    } finally {
      this.#isBeating = false;
    }
  }

  async #extend(leases: readonly LeaseRef[]): Promise<void> {
    const distinct = new Map(leases.map((lease) => [`${lease.taskId} ${lease.attempt}`, lease]));
    const named = [...distinct.values()].map((lease) => ({ lease, id: this.#deps.ids.decode(lease.taskId) }));
    const known = named.flatMap(({ lease, id }) => (id === undefined ? [] : [{ lease, id }]));
    for (const { lease, id } of named)
      if (id === undefined) this.#send({ response: leaseLost(lease.taskId, lease.attempt) });
    if (known.length === 0) return;
    const held = known.map(({ lease, id }) => ({ id, attempt: lease.attempt, worker: this.#worker }));
    // That of a stream that is over would make leases long again that have been cut.
    const results = await this.#deps.leases.keep(held, () => !this.#isOver);
    if (results === undefined) return;
    for (const [n, { lease, id }] of known.entries()) this.#extended(lease, id, results[n] as LeaseResult);
  }

  #extended(lease: LeaseRef, id: bigint, { leaseUntil, error, cancelRequested, reason }: LeaseResult): void {
    const held = this.#attempts.get(id);
    const isHeld = held?.attempt === lease.attempt;
    if (leaseUntil !== undefined) {
      if (isHeld) held.leaseUntil = leaseUntil;
      // It goes on with what it has had by another stream.
      else if (!this.#isOver)
        this.#watch({ id, attempt: lease.attempt, leaseUntil, overrunMs: Number.POSITIVE_INFINITY });
      return;
    }
    if (isHeld && held.isClosing) return;
    if (isHeld) this.#drop(id);
    const stops = cancelRequested && error?.reason === "TASK_ENDED";
    const { taskId, attempt } = lease;
    this.#send({
      response: stops ? cancelAttempt(taskId, attempt, reason ?? error.message) : leaseLost(taskId, attempt),
    });
  }

  // Reports and logs

  /** Reports of several messages are written at the same time, unless they are on the same tasks; they are answered in their order. */
  #report({ sequence, reports }: WorkerReports): void {
    if (sequence <= this.#sequence) {
      throw invalidField(
        "reports.sequence",
        `is ${sequence}; the message before has ${this.#sequence}, and each has a greater one`,
      );
    }
    this.#sequence = sequence;
    const ids = reports.map(({ taskId }) => taskId);
    const closing = reports.flatMap(({ taskId, attempt, report }) => {
      const held = report.case === "success" || report.case === "failure" ? this.#heldAs(taskId, attempt) : undefined;
      return held === undefined ? [] : [held];
    });
    for (const held of closing) held.isClosing = true;
    const isFree = ids.every((id) => !this.#reporting.has(id));
    for (const id of ids) this.#reporting.set(id, (this.#reporting.get(id) ?? 0) + 1);
    const before = this.#answered;
    const written = (isFree ? Promise.resolve() : before).then(() => takeReports(this.#deps, reports, { brief: true }));
    this.#answered = this.#underWay(
      Promise.all([written, before]).then(async ([results]) => {
        for (const id of ids) {
          const more = (this.#reporting.get(id) ?? 1) - 1;
          if (more === 0) this.#reporting.delete(id);
          else this.#reporting.set(id, more);
        }
        const states = results.flatMap(({ state }) => state ?? []);
        const names = await namesOf(this.#deps, states);
        const unread = new Set(
          results.flatMap(({ error }, n) => (error?.reason === "INVALID_FIELD" ? [reports[n]?.taskId] : [])),
        );
        this.#send({ response: reportResults(sequence, results, { names, isJson: this.#isJson }) });
        for (const held of closing) {
          if (unread.has(this.#deps.ids.encode(held.id))) held.isClosing = false;
          else if (this.#attempts.get(held.id) === held) this.#drop(held.id);
        }
      }),
    );
  }

  #heldAs(taskId: string, attempt: number): Held | undefined {
    const id = this.#deps.ids.decode(taskId);
    const held = id === undefined ? undefined : this.#attempts.get(id);
    return held !== undefined && (attempt === 0 || attempt === held.attempt) ? held : undefined;
  }

  /** Lines of log are appended in their order; behind such as could not be, none are: all of them are sent again. */
  #log(logs: WorkerLogs): void {
    this.#logged = this.#logged.then(async () => {
      for (const response of await appendStreamed(this.#deps, logs)) this.#send({ response });
    });
    void this.#underWay(this.#logged);
  }

  /** Counts what is under way. A failure of it ends the stream: what was not answered is sent again by the next one. */
  #underWay(call: Promise<void>): Promise<void> {
    this.#unanswered += 1;
    return call
      .catch((error: unknown) => this.end(error))
      .finally(() => {
        this.#unanswered -= 1;
        this.#room?.();
        this.#endIfDrained();
      });
  }

  get #isFull(): boolean {
    return this.#unanswered >= unansweredMax || this.#outbox.size >= answersWaitingMax;
  }

  #hasRoom(): Promise<void> {
    return new Promise((resolve) => {
      this.#room = resolve;
    });
  }

  #send(sent: Sent): void {
    this.#keepalive?.refresh();
    this.#outbox.push(sent);
  }

  #taken({ tasks }: Sent): void {
    this.#room?.();
    if (tasks !== undefined) {
      this.#lists -= 1;
      this.#untaken -= 1;
      for (const resolve of this.#onListTaken.splice(0)) resolve();
      this.#offer();
    }
    this.#endIfDrained();
  }

  /** Ends the stream of a server that stops when nothing of it is under way. What waits to be sent goes first. */
  #endIfDrained(): void {
    if (this.#drainReason === undefined || this.#attempts.size > 0 || this.#unanswered > 0) return;
    if (this.#outbox.size === 0) this.end(this.#drainReason);
  }
}
