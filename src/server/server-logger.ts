import { type DestinationStream, destination, type Logger, pino } from "pino";

/** How many bytes of lines are written together at most. */
const togetherBytesMax = 64 * 1024;
/** The most bytes that a unit of a string's length takes in UTF-8. */
const bytesPerUnit = 3;

/**
 * Creates the logger of a server: JSON lines on standard output. The lines of one turn of the event loop are written
 * together, because a system call for each line of the access log costs more than to make the line. Nothing is lost when
 * the process exits, by an uncaught error or otherwise, and a fatal line is written at once; a killed process may lose the
 * lines of its last turn.
 */
export function createServerLogger(level: string, base: Record<string, unknown> | null = null): Logger {
  // Synchronous: a server whose log is not read waits, and neither drops lines nor collects them without bound.
  const output = destination({ dest: 1, sync: true, contentMode: "buffer" });
  // With this content mode it takes bytes, which its types do not say.
  const lines = new LinesOfTurn((bytes) => void output.write(bytes as unknown as string));
  process.once("exit", () => lines.flushSync());
  return pino({ level, base }, lines);
}

/** LinesOfTurn collects what is written in one turn of the event loop and passes it on at its end. */
class LinesOfTurn implements DestinationStream {
  readonly #pass: (bytes: Buffer) => void;
  readonly #buffer = Buffer.allocUnsafe(togetherBytesMax);
  #size = 0;
  #isScheduled = false;

  constructor(pass: (bytes: Buffer) => void) {
    this.#pass = pass;
  }

  write(line: string): void {
    const bytesMax = line.length * bytesPerUnit;
    if (bytesMax > togetherBytesMax - this.#size) this.flushSync();
    if (bytesMax > togetherBytesMax) {
      this.#pass(Buffer.from(line));
      return;
    }
    this.#size += this.#buffer.write(line, this.#size);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.flushSync();
    });
  }

  /** Passes on what there is; called by the logger for fatal lines. */
  flushSync(): void {
    if (this.#size === 0) return;
    const bytes = Buffer.from(this.#buffer.subarray(0, this.#size));
    this.#size = 0;
    this.#pass(bytes);
  }
}
