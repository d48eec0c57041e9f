import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { create } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import type { MillpondClient } from "../client.ts";
import { errorReason, isUnanswered, retryDelayMs } from "../errors.ts";
import { ErrorReason } from "../gen/millpond/v1/error_reason_pb.js";
import { type LogEntry, LogEntrySchema, LogLevel } from "../gen/millpond/v1/log_pb.js";
import { backoffMs } from "../retry-policy.ts";
import type { Attempt } from "./attempt.ts";
import type { LogLevelName } from "./task-handler.ts";

/** LogQueueOptions is what a {@link LogQueue} works with. */
export interface LogQueueOptions {
  readonly client: Pick<MillpondClient, "workers">;
  /** Ends all trying. */
  readonly signal: AbortSignal;
  /** Is told what went wrong; does not throw. */
  readonly onError: (error: unknown) => void;
}

/** How long a line waits for others before it is sent. */
const lingerMs = 200;
/** Bounds of one call: the contract's number of lines, and bytes well below what servers accept. */
const linesPerCallMax = 1_000;
const bytesPerCallMax = 1024 * 1024;
/** Calls in flight at the same time, never two of one attempt: its lines stay in their order. */
const callsMax = 8;
/** What may wait of one attempt and of all: what comes faster than the server takes it is dropped, and counted. */
const linesWaitingMax = 10_000;
const bytesWaitingMax = 2 * 1024 * 1024;
const bytesWaitingInAllMax = 64 * 1024 * 1024;
/** How long the report of an attempt waits for its last lines. */
const finishMaxMs = 5_000;
/** The contract's bound of a message. */
const messageLengthMax = 16_384;
/** What a line takes beside its text. */
const lineBytes = 32;
const backoff = { initialBackoffMs: 100, maxBackoffMs: 5_000 };
const levels = { debug: LogLevel.DEBUG, info: LogLevel.INFO, warn: LogLevel.WARN, error: LogLevel.ERROR } as const;
/** Answers that no repetition changes. */
const finalReasons: ReadonlySet<ErrorReason | undefined> = new Set([
  ErrorReason.STALE_ATTEMPT,
  ErrorReason.TASK_NOT_FOUND,
  ErrorReason.UNIMPLEMENTED,
  ErrorReason.UNAUTHENTICATED,
  ErrorReason.PERMISSION_DENIED,
]);

/** The lines of one attempt. */
interface Buffer {
  lines: LogEntry[];
  bytes: number;
  dropped: number;
  /** Lines that are on their way, under a request id: sent again they are not written twice. */
  sent: { readonly requestId: string; readonly entries: LogEntry[]; readonly bytes: number } | undefined;
  timer: NodeJS.Timeout | undefined;
  sending: boolean;
  /** In a row. */
  failures: number;
  /** The server takes no more of them. */
  refused: boolean;
  /** Are to be told when nothing waits any more. */
  readonly onEmpty: (() => void)[];
}

/**
 * LogQueue sends what handlers log in few calls: lines wait a moment for others, and while a call of their attempt is in flight. A server that is away, or
 * slower than the handlers, is waited for; what does not fit meanwhile is dropped, and a line says how many lines that were. An attempt that logs nothing
 * costs nothing.
 */
export class LogQueue {
  readonly #options: LogQueueOptions;
  readonly #buffers = new Map<Attempt, Buffer>();
  /** Attempts with lines to send, in turn. */
  readonly #due = new Set<Attempt>();
  #calls = 0;
  #bytes = 0;

  constructor(options: LogQueueOptions) {
    this.#options = options;
  }

  /** Queues a line of an attempt: what is too long for one becomes several. What is no text is shown as the console shows it. Never throws. */
  add(attempt: Attempt, level: LogLevelName, message: unknown): void {
    const buffer = this.#bufferOf(attempt);
    if (buffer.refused) return;
    const logTime = timestampNow();
    for (const piece of piecesOf(message)) {
      const bytes = piece.length + lineBytes;
      const hasRoom =
        buffer.dropped === 0 &&
        buffer.lines.length < linesWaitingMax &&
        buffer.bytes + bytes <= bytesWaitingMax &&
        this.#bytes + bytes <= bytesWaitingInAllMax;
      if (hasRoom) {
        buffer.lines.push(create(LogEntrySchema, { logTime, level: levels[level] ?? LogLevel.INFO, message: piece }));
        buffer.bytes += bytes;
        this.#bytes += bytes;
      } else buffer.dropped += 1;
    }
    if (isFull(buffer) && buffer.failures === 0) this.#isDue(attempt, buffer);
    else if (!buffer.sending) this.#later(attempt, buffer, lingerMs);
  }

  /** Whether lines of an attempt have not been sent. */
  holds(attempt: Attempt): boolean {
    return this.#buffers.has(attempt);
  }

  /** Resolves when the lines of an attempt that has ended are sent, or given up after five seconds. Never rejects. */
  async finish(attempt: Attempt): Promise<void> {
    const buffer = this.#buffers.get(attempt);
    if (buffer === undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    buffer.onEmpty.push(resolve);
    const timer = setTimeout(resolve, finishMaxMs);
    this.#isDue(attempt, buffer);
    await promise;
    clearTimeout(timer);
    const left = buffer.lines.length + buffer.dropped + (buffer.sent?.entries.length ?? 0);
    if (left > 0 && !buffer.refused)
      this.#options.onError(
        new Error(`${left} lines of log of task ${attempt.taskId} may be lost: they could not be sent in time`),
      );
    this.#forget(attempt, buffer);
  }

  #bufferOf(attempt: Attempt): Buffer {
    const known = this.#buffers.get(attempt);
    if (known !== undefined) return known;
    const counts = {
      bytes: 0,
      dropped: 0,
      sent: undefined,
      timer: undefined,
      sending: false,
      failures: 0,
      refused: false,
    };
    const buffer: Buffer = { ...counts, lines: [], onEmpty: [] };
    this.#buffers.set(attempt, buffer);
    return buffer;
  }

  #isDue(attempt: Attempt, buffer: Buffer): void {
    clearTimeout(buffer.timer);
    buffer.timer = undefined;
    if (buffer.sending) return;
    if (isEmpty(buffer)) this.#emptied(buffer);
    else this.#due.add(attempt);
    this.#pump();
  }

  #pump(): void {
    for (const attempt of this.#due) {
      if (this.#calls === callsMax) return;
      this.#due.delete(attempt);
      const buffer = this.#buffers.get(attempt);
      if (buffer === undefined) continue;
      this.#calls += 1;
      buffer.sending = true;
      void this.#send(attempt, buffer);
    }
  }

  /** Makes one call for an attempt, and sees to the next one. Never rejects. */
  async #send(attempt: Attempt, buffer: Buffer): Promise<void> {
    const isDone = await this.#sendOnce(attempt, buffer);
    this.#calls -= 1;
    buffer.sending = false;
    if (this.#buffers.get(attempt) === buffer) this.#goOn(attempt, buffer, isDone);
    this.#pump();
  }

  #goOn(attempt: Attempt, buffer: Buffer, isDone: boolean): void {
    if (this.#options.signal.aborted) this.#emptied(buffer);
    else if (!isDone) {
      buffer.failures += 1;
      this.#later(attempt, buffer, backoffMs(backoff, buffer.failures));
    } else {
      buffer.failures = 0;
      if (isEmpty(buffer)) {
        this.#emptied(buffer);
        if (!buffer.refused) this.#forget(attempt, buffer);
      } else if (buffer.onEmpty.length > 0 || isFull(buffer)) this.#isDue(attempt, buffer);
      else this.#later(attempt, buffer, lingerMs);
    }
  }

  #later(attempt: Attempt, buffer: Buffer, ms: number): void {
    buffer.timer ??= setTimeout(() => this.#isDue(attempt, buffer), ms);
  }

  /** Makes one call; answers whether its lines are dealt with. */
  async #sendOnce(attempt: Attempt, buffer: Buffer): Promise<boolean> {
    buffer.sent ??= takeBatch(buffer);
    const { requestId, entries, bytes } = buffer.sent;
    const { client, signal } = this.#options;
    try {
      const { taskId, attempt: number } = attempt;
      const answer = await client.workers.appendLogs({ taskId, attempt: number, entries, requestId }, { signal });
      if (answer.cancelRequested) attempt.abort("cancel_requested", "the server asked to stop the attempt");
    } catch (error) {
      if (signal.aborted) return false;
      this.#options.onError(error);
      if (isUnanswered(error) || retryDelayMs(error) !== undefined) return false;
      const reason = errorReason(error);
      if (reason === ErrorReason.STALE_ATTEMPT) attempt.abort("lease_lost", "the task has another attempt");
      if (finalReasons.has(reason)) this.#refuse(buffer);
    }
    // Unless it was given up meanwhile.
    if (buffer.sent !== undefined) this.#bytes -= bytes;
    buffer.sent = undefined;
    return true;
  }

  #refuse(buffer: Buffer): void {
    buffer.refused = true;
    this.#bytes -= buffer.bytes;
    Object.assign(buffer, { lines: [], bytes: 0, dropped: 0 });
  }

  #emptied(buffer: Buffer): void {
    for (const resolve of buffer.onEmpty.splice(0)) resolve();
  }

  #forget(attempt: Attempt, buffer: Buffer): void {
    clearTimeout(buffer.timer);
    this.#buffers.delete(attempt);
    this.#due.delete(attempt);
    this.#bytes -= buffer.bytes + (buffer.sent?.bytes ?? 0);
    Object.assign(buffer, { lines: [], bytes: 0, dropped: 0, sent: undefined });
  }
}

/** Whether there is enough for a call. */
function isFull({ lines, bytes }: Buffer): boolean {
  return lines.length >= linesPerCallMax || bytes >= bytesPerCallMax;
}

function isEmpty({ lines, dropped, sent }: Buffer): boolean {
  return lines.length === 0 && dropped === 0 && sent === undefined;
}

/** Takes the next lines out of a buffer; behind the last of them, how many were dropped. */
function takeBatch(buffer: Buffer): NonNullable<Buffer["sent"]> {
  let bytes = 0;
  let count = 0;
  for (const { message } of buffer.lines) {
    if (count === linesPerCallMax || (count > 0 && bytes + message.length > bytesPerCallMax)) break;
    bytes += message.length + lineBytes;
    count += 1;
  }
  const entries = buffer.lines.splice(0, count);
  buffer.bytes -= bytes;
  if (buffer.dropped > 0 && buffer.lines.length === 0 && count < linesPerCallMax) {
    const message = `${buffer.dropped} lines were dropped: the worker logged faster than the server took them`;
    entries.push(create(LogEntrySchema, { logTime: timestampNow(), level: LogLevel.WARN, message }));
    buffer.dropped = 0;
  }
  return { requestId: randomUUID(), entries, bytes };
}

/** The text of a message as the contract takes it, in pieces of its bound. */
function piecesOf(message: unknown): string[] {
  const text = textOf(message).replaceAll("\0", "\u2400").toWellFormed();
  if (text.length <= messageLengthMax) return [text];
  const pieces: string[] = [];
  for (let from = 0; from < text.length; ) {
    let end = from + messageLengthMax;
    // Not between the halves of a character.
    if (end < text.length && isLowSurrogate(text.charCodeAt(end))) end -= 1;
    pieces.push(text.slice(from, end));
    from = end;
  }
  return pieces;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

function textOf(message: unknown): string {
  if (typeof message === "string") return message;
  try {
    return inspect(message);
  } catch {
    return "it has no text";
  }
}
