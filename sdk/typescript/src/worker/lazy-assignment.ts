import { inspect } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { type Assignment, AssignmentSchema } from "../gen/millpond/v1/worker_pb.js";

/** AssignmentHead is what a worker goes by, whatever its handler looks at. */
export interface AssignmentHead {
  readonly taskId: string;
  readonly kind: string;
  readonly attempt: number;
}

/** headOf is the head of an assignment; it is read without decoding a lazy one. */
export function headOf(assignment: Assignment): AssignmentHead {
  if (assignment instanceof LazyAssignment) return assignment.head;
  return {
    taskId: assignment.task?.taskId ?? "",
    kind: assignment.task?.kind ?? "",
    attempt: assignment.attempt,
  };
}

/** inputOf is the input of an assignment's task, of a lazy one without decoding the rest: most handlers look at nothing else. */
export function inputOf(assignment: Assignment): Value | undefined {
  return assignment instanceof LazyAssignment ? assignment.input : assignment.task?.input;
}

/** Where the input stands in the bytes of an assignment. */
export interface InputPlace {
  readonly start: number;
  readonly end: number;
}

type LazyField = Exclude<keyof Assignment, "$typeName" | "$unknown" | "attempt">;

/**
 * LazyAssignment is an Assignment that is decoded when somebody looks into it, which not every handler does: decoding costs a worker more than
 * all else about a task. Whoever looks finds the message: its fields are enumerable properties of its own, so that it can be copied, compared,
 * cloned and encoded. Its bytes must hold no field that this version does not know: those would have to be found to be copied.
 */
export class LazyAssignment implements Assignment {
  readonly $typeName = "millpond.v1.Assignment";
  attempt: number;
  declare task?: Assignment["task"];
  declare leaseExpireTime?: Assignment["leaseExpireTime"];
  declare parents: Assignment["parents"];
  declare traceContext: Assignment["traceContext"];
  readonly #head: AssignmentHead;
  readonly #inputPlace: InputPlace | undefined;
  /** Until it is decoded. */
  #bytes: Uint8Array | undefined;
  #message: Assignment | undefined;

  constructor(bytes: Uint8Array, head: AssignmentHead, inputPlace: InputPlace | undefined) {
    this.#bytes = bytes;
    this.#head = head;
    this.#inputPlace = inputPlace;
    this.attempt = head.attempt;
    for (const [name, accessor] of accessors) Object.defineProperty(this, name, accessor);
  }

  get head(): AssignmentHead {
    return this.#head;
  }

  get input(): Value | undefined {
    // Once the message is there, it counts: a handler may have changed it.
    if (this.#bytes === undefined) return this.#decoded().task?.input;
    const place = this.#inputPlace;
    return place && fromBinary(ValueSchema, this.#bytes.subarray(place.start, place.end));
  }

  /** Lets go of the answer that it came in, which may be thousands of times as large. */
  detach(): void {
    if (this.#bytes) this.#bytes = Uint8Array.prototype.slice.call(this.#bytes);
  }

  /** Shown as the message that it is. */
  [inspect.custom](): unknown {
    return { ...this };
  }

  static accessor<Name extends LazyField>(name: Name): PropertyDescriptor & ThisType<LazyAssignment> {
    return {
      ...{ enumerable: true, configurable: true },
      get(): Assignment[Name] {
        return this.#decoded()[name];
      },
      set(value: Assignment[Name]) {
        this.#decoded()[name] = value;
      },
    };
  }

  #decoded(): Assignment {
    if (this.#message === undefined) {
      this.#message = fromBinary(AssignmentSchema, this.#bytes ?? new Uint8Array());
      this.#bytes = undefined;
    }
    return this.#message;
  }
}

/** Shared by all, so that the engine gives all the same layout. */
const accessors = (["task", "leaseExpireTime", "parents", "traceContext"] as const satisfies LazyField[]).map(
  (name) => [name, LazyAssignment.accessor(name)] as const,
);
