import { fromBinary, type JsonObject } from "@bufbuild/protobuf";
import type { Value } from "@bufbuild/protobuf/wkt";
import { type Dependency, type NewTask, NewTaskSchema } from "../gen/millpond/v1/task_pb.ts";
import type { JsonTextReader } from "./json-text-reader.ts";
import { type ProtoReader, unusual } from "./proto-reader.ts";
import type { ReadRules, RulesReader } from "./rules-reader.ts";

/** What reads parts of tasks. */
export interface PartReaders {
  readonly json: JsonTextReader;
  readonly rules: RulesReader;
}

/** Lists that are empty, and the choice that was not made: one for all tasks, as they stay so. */
const none: never[] = Object.freeze([]) as unknown as never[];
const notSet = Object.freeze({ case: undefined });

/**
 * ReadNewTask is a NewTask that was read from its bytes without the library, as most are: it has nothing but a key, a name, a kind, dependencies, metadata, input, rules
 * and other plain fields. A message as any other, but metadata and input are JSON texts, and become what the library makes of them only for who asks;
 * and rules may be those of other tasks, too.
 */
export class ReadNewTask implements NewTask {
  readonly $typeName = "millpond.v1.NewTask";
  key = "";
  name = "";
  kind = "";
  dependencies: Dependency[] = none;
  unmetPolicy: NewTask["unmetPolicy"] = 0;
  priority = 0;
  expectedCount: bigint | undefined = undefined;
  startTime: NewTask["startTime"] = undefined;
  startTimeout: NewTask["startTimeout"] = undefined;
  inactivityTimeout: NewTask["inactivityTimeout"] = undefined;
  executionTimeout: NewTask["executionTimeout"] = undefined;
  totalTimeout: NewTask["totalTimeout"] = undefined;
  retry: NewTask["retry"] = undefined;
  rules: NewTask["rules"] = none;
  dedupe: NewTask["dedupe"] = none;
  execution: NewTask["execution"] = notSet;
  onSuccess: NewTask["onSuccess"] = none;
  onFailure: NewTask["onFailure"] = none;
  onCancel: NewTask["onCancel"] = none;
  declare metadata: JsonObject | undefined;
  declare input: Value | undefined;
  critical = false;
  onlyForDependents = false;
  fairnessKey = "";
  fairnessWeight = 0;
  #metadataText: string | null = null;
  #inputText: string | null = null;
  #rules: ReadRules | undefined;
  readonly #source: Buffer;
  readonly #start: number;
  readonly #end: number;
  #whole: NewTask | undefined;

  /** Reads a task from here to `end`; throws {@link unusual} where it is not so plain, or not written as the library would write it. */
  constructor(reader: ProtoReader, end: number, parts: PartReaders) {
    this.#source = reader.bytes;
    this.#start = reader.position;
    this.#end = end;
    for (let last = 0; reader.position < end; ) {
      const tag = reader.varint();
      const field = tag >>> 3;
      // In the order of their numbers, each once; but there may be many dependencies, and rules, which are read together.
      if (field <= last && (field !== 4 || last !== 4)) throw unusual;
      last = field;
      this.#read(reader, tag, parts);
    }
    if (reader.position !== end) throw unusual;
  }

  /** Metadata as JSON; null: there is none. */
  get metadataText(): string | null {
    return this.#metadataText;
  }

  /** Input as JSON; null: there is none. */
  get inputText(): string | null {
    return this.#inputText;
  }

  /** Its rules; undefined: it has none. */
  get readRules(): ReadRules | undefined {
    return this.#rules;
  }

  /** The task as the library reads it. */
  asLibrary(): NewTask {
    this.#whole ??= fromBinary(NewTaskSchema, this.#source.subarray(this.#start, this.#end));
    return this.#whole;
  }

  /** Reads a field, by its tag: number and wire type in millpond/v1/task.proto. */
  #read(reader: ProtoReader, tag: number, { json, rules }: PartReaders): void {
    switch (tag) {
      case (1 << 3) | 2:
        this.key = reader.filledText();
        break;
      case (2 << 3) | 2:
        this.name = reader.filledText();
        break;
      case (3 << 3) | 2:
        this.kind = reader.filledText();
        break;
      case (4 << 3) | 2:
        if (this.dependencies === none) this.dependencies = [];
        this.dependencies.push(readDependency(reader));
        break;
      case 5 << 3:
        this.unmetPolicy = reader.positive() as NewTask["unmetPolicy"];
        break;
      case (6 << 3) | 2:
        this.#metadataText = json.struct(reader);
        Object.defineProperty(this, "metadata", metadataProperty);
        break;
      case (7 << 3) | 2:
        this.#inputText = json.value(reader);
        Object.defineProperty(this, "input", inputProperty);
        break;
      case 8 << 3:
        this.priority = reader.positive();
        break;
      case 9 << 3:
        this.expectedCount = BigInt(reader.varint());
        break;
      case (16 << 3) | 2:
        this.#rules = rules.read(reader, this.#end);
        this.rules = this.#rules.messages;
        break;
      case 24 << 3:
        this.critical = reader.positive(1) === 1;
        break;
      case 25 << 3:
        this.onlyForDependents = reader.positive(1) === 1;
        break;
      case (26 << 3) | 2:
        this.fairnessKey = reader.filledText();
        break;
      case 27 << 3:
        this.fairnessWeight = reader.positive();
        break;
      default:
        throw unusual;
    }
  }
}

/** The same object for all tasks, so that they keep one shape; of each task's own, because the library writes only what is. */
const metadataProperty: PropertyDescriptor = {
  ...{ enumerable: true, configurable: true },
  get(this: ReadNewTask) {
    return this.asLibrary().metadata;
  },
};

const inputProperty: PropertyDescriptor = {
  ...{ enumerable: true, configurable: true },
  get(this: ReadNewTask) {
    return this.asLibrary().input;
  },
};

function readDependency(reader: ProtoReader): Dependency {
  const end = reader.lengthEnd();
  const tag = reader.varint();
  if (tag !== 0x0a && tag !== 0x12) throw unusual;
  const parent = { case: tag === 0x0a ? ("key" as const) : ("taskId" as const), value: reader.text() };
  let condition: Dependency["condition"] = 0;
  if (reader.position < end) {
    if (reader.varint() !== 0x18) throw unusual;
    condition = reader.positive() as Dependency["condition"];
  }
  if (reader.position !== end) throw unusual;
  return { $typeName: "millpond.v1.Dependency", parent, condition };
}
