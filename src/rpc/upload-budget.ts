import { MillpondError } from "../domain/errors.ts";

/** The bounds of uploads. */
export interface UploadLimits {
  /** How many tasks one upload may have. */
  readonly tasksMax: number;
  /** What the unfinished uploads of one server may hold together. */
  readonly bytesMax: number;
}

/** One upload, counted until it is disposed of. */
export interface CountedUpload extends Disposable {
  /** Counts one more part, or more of the last one, before its tasks are looked at. Fails with LIMIT_EXCEEDED when it is more than the server takes. */
  add(part: { readonly isContinued: boolean; readonly tasks: number; readonly dependencies: number }): void;
  /** Counts the bytes that the tasks of a part take, when they are known. Fails as `add` does. */
  addBytes(bytes: number): void;
}

/** What a part counts for itself: a stream of empty ones comes to its end, too. */
const bytesPerPart = 256;
/** What a task and a dependency take in memory beside their bytes, at most. */
const bytesPerTask = 512;
const bytesPerDependency = 96;
const retryDelayMs = 5_000;

/** Bounds what a server holds of graphs whose last part has not come: one for each server. */
export class UploadBudget {
  readonly #limits: UploadLimits;
  #held = 0;

  constructor(limits: UploadLimits) {
    this.#limits = limits;
  }

  /** Begins to count an upload. */
  open(): CountedUpload {
    let tasks = 0;
    let own = 0;
    const addBytes = (bytes: number): void => {
      if (own + bytes > this.#limits.bytesMax) throw tooLarge(this.#limits.bytesMax);
      if (this.#held + bytes > this.#limits.bytesMax) throw busy(this.#limits.bytesMax);
      own += bytes;
      this.#held += bytes;
    };
    return {
      addBytes,
      add: (part) => {
        tasks += part.tasks;
        if (tasks > this.#limits.tasksMax) throw tooManyTasks(this.#limits.tasksMax);
        addBytes(
          (part.isContinued ? 0 : bytesPerPart) + part.tasks * bytesPerTask + part.dependencies * bytesPerDependency,
        );
      },
      [Symbol.dispose]: () => {
        this.#held -= own;
        own = 0;
      },
    };
  }
}

function tooManyTasks(max: number): MillpondError {
  const message = `the upload has more than ${max} tasks (MILLPOND_UPLOAD_TASKS_MAX); upload the rest into an open batch`;
  return new MillpondError("LIMIT_EXCEEDED", message, { metadata: { limit: String(max) } });
}

function tooLarge(max: number): MillpondError {
  const message = `the upload is larger than the ${max} bytes (MILLPOND_UPLOAD_BYTES_MAX) that the server holds; upload the rest into an open batch`;
  return new MillpondError("LIMIT_EXCEEDED", message, { metadata: { limit: String(max) } });
}

function busy(max: number): MillpondError {
  const message = `with other uploads this one is larger than the ${max} bytes (MILLPOND_UPLOAD_BYTES_MAX) that the server holds at once; try again`;
  return new MillpondError("LIMIT_EXCEEDED", message, { metadata: { limit: String(max) }, retryDelayMs });
}
