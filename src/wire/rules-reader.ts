import { create, fromBinary, toBinary, toJsonString } from "@bufbuild/protobuf";
import type { RuleSet } from "../domain/rule-set.ts";
import type { Rule } from "../gen/millpond/v1/rule_pb.ts";
import { NewTaskSchema } from "../gen/millpond/v1/task_pb.ts";
import { BoundedCache } from "../lib/bounded-cache.ts";
import { type ProtoReader, unusual } from "./proto-reader.ts";
import { decodeRuleSet } from "./rule.ts";

/** ReadRules are the rules of one task, or of many that have the same, with what is made of them, once. */
export class ReadRules {
  /** Frozen, with all that is in it. */
  readonly messages: Rule[];
  #decoded: RuleSet | undefined;
  #specText: string | undefined;

  constructor(messages: Rule[]) {
    this.messages = messages;
    freeze(messages);
  }

  /** The rules, read; `field` is the path of the list, for what is thrown where one has no limit. */
  decoded(field: string): RuleSet {
    this.#decoded ??= decodeRuleSet(this.messages, field);
    return this.#decoded;
  }

  /** The specification of a task that has nothing but these rules in it, as ProtoJSON. */
  get specText(): string {
    this.#specText ??= toJsonString(NewTaskSchema, create(NewTaskSchema, { rules: this.messages }));
    return this.#specText;
  }
}

const bounds = { entriesMax: 1_000, bytesMax: 8 * 1024 * 1024 };
/** What a rule takes as an object, for each of its bytes, about; and much more where it is empty. */
const timesAsObject = 20;
/** What is longer is not kept: it may be a request that is refused, with millions of rules. Twenty rules are far less. */
const lastBytesMax = 16 * 1024;

/** The tag of NewTask.rules, of two bytes. */
const tag = [0x82, 0x01] as const;
/** Two levels of messages are the request and the task; the task is read again here. */
const recursionLimit = 99;

/** RulesReader reads the rules of tasks: those whose bytes are the same, as they mostly are, become objects once. */
export class RulesReader {
  readonly #kept = new BoundedCache<ReadRules>(bounds);
  /** What was read last, which is what the next task has, mostly: comparing bytes is less than making a text of them. */
  #last: { readonly bytes: Uint8Array; readonly rules: ReadRules } | undefined;

  /**
   * Reads all rules of a task that ends at `end`, from behind the tag of the first; throws `unusual` where they are not written as the library would write
   * them, and what the library throws where it cannot read them.
   */
  read(reader: ProtoReader, end: number): ReadRules {
    const { bytes } = reader;
    const start = reader.position - tag.length;
    do {
      const ruleEnd = reader.lengthEnd();
      if (ruleEnd > end) throw unusual;
      reader.position = ruleEnd;
    } while (isNext(reader, end));
    const last = this.#last;
    if (last !== undefined && bytes.compare(last.bytes, 0, last.bytes.length, start, reader.position) === 0)
      return last.rules;
    // A copy of the bytes of a request, which would live as long as a part of it does.
    const own = Uint8Array.from(bytes.subarray(start, reader.position));
    const rules = this.#read(bytes.toString("latin1", start, reader.position), own);
    if (own.length <= lastBytesMax) this.#last = { bytes: own, rules };
    return rules;
  }

  #read(text: string, bytes: Uint8Array): ReadRules {
    const kept = this.#kept.get(text);
    if (kept !== undefined) return kept;
    const rules = readRules(bytes);
    this.#kept.set(text, rules, text.length * timesAsObject);
    return rules;
  }
}

/** Whether another rule follows; goes behind its tag. */
function isNext(reader: ProtoReader, end: number): boolean {
  const { bytes, position } = reader;
  if (position + tag.length > end || bytes[position] !== tag[0] || bytes[position + 1] !== tag[1]) return false;
  reader.position += tag.length;
  return true;
}

function readRules(bytes: Uint8Array): ReadRules {
  const task = fromBinary(NewTaskSchema, bytes, { recursionLimit });
  if (Buffer.compare(toBinary(NewTaskSchema, task), bytes) !== 0) throw unusual;
  return new ReadRules(task.rules);
}

function freeze(value: unknown): void {
  // Bytes of fields that nobody knows cannot be frozen.
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return;
  for (const part of Object.values(Object.freeze(value))) freeze(part);
}
