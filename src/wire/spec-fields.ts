import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Execution } from "../domain/task-status.ts";
import { TaskSchema } from "../gen/millpond/v1/task_pb.ts";
import { BoundedCache } from "../lib/bounded-cache.ts";
import { givenFields } from "./task.ts";

/** Fields of a Task, written with their tags. */
export interface SpecFields {
  /** Field 13; undefined: the default was taken. */
  readonly startTimeout: Uint8Array | undefined;
  /** Field 14; undefined: the default was taken. */
  readonly inactivityTimeout: Uint8Array | undefined;
  /** Fields 15 to 29, the execution among them. */
  readonly rest: Uint8Array;
}

/** Tasks of one graph mostly have one text, and a server sees few graphs at a time. */
const bounds = { entriesMax: 1_000, bytesMax: 8 * 1024 * 1024 };

/** SpecFieldsCache writes what a task of a worker repeats of what was given as a whole, once for all tasks of which that is the same text. */
export class SpecFieldsCache {
  readonly #kept = new BoundedCache<SpecFields>(bounds);
  /** What was asked for last, as it mostly is again: comparing texts is less than looking one up, for which it is hashed. */
  #last: { readonly spec: string; readonly fields: SpecFields } | undefined;

  /** The fields that a text of ProtoJSON contributes to its task. */
  of(spec: string): SpecFields {
    if (this.#last?.spec !== spec) this.#last = { spec, fields: this.#lookUp(spec) };
    return this.#last.fields;
  }

  #lookUp(spec: string): SpecFields {
    const kept = this.#kept.get(spec);
    if (kept !== undefined) return kept;
    const { startTimeout, inactivityTimeout, ...rest } = givenFields(spec, Execution.WORKER);
    const fields: SpecFields = {
      startTimeout: startTimeout && written({ startTimeout }),
      inactivityTimeout: inactivityTimeout && written({ inactivityTimeout }),
      rest: written(rest),
    };
    this.#kept.set(spec, fields, fields.rest.length);
    return fields;
  }
}

/** Copied, because the library may answer a part of something larger. */
function written(fields: MessageInitShape<typeof TaskSchema>): Uint8Array {
  return toBinary(TaskSchema, create(TaskSchema, fields)).slice();
}
