import {
  type DescEnum,
  type DescField,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type ScalarType,
} from "@bufbuild/protobuf";
import { isAlias, isMap, isScalar, isSeq, type Node, type YAMLMap } from "yaml";
import { closestName } from "../input/closest-name.ts";
import { fieldNames, formOf, kindOf, nameOf, offsetOf, shortName } from "./describe.ts";
import { readScalar } from "./read-scalar.ts";
import type { Problem, SourceText } from "./source-text.ts";

/** How many values a file may come to when its aliases are written out: far beyond any graph, well below what fills the memory. */
const valuesMax = 5_000_000;
const depthMax = 100;
/** Keys that begin so are the writer's own, for anchors. */
const ownKey = /^x-/;

type Item = Node | null | undefined;
interface Entry {
  readonly key: Node;
  readonly value: Item;
}

/**
 * MessageReader turns a tree of YAML into the ProtoJSON of a message, with aliases and merges (`<<`) written out, and collects
 * what is wrong with it by place. Names of enums may be short: COMPLETED for DEPENDENCY_CONDITION_COMPLETED.
 */
export class MessageReader {
  readonly problems: Problem[] = [];
  /** Where each field of the message stands, by its path as servers name it: `tasks[3].kind`. */
  readonly offsets = new Map<string, number>();
  readonly #source: SourceText;
  #values = 0;

  constructor(source: SourceText) {
    this.#source = source;
  }

  /** Reads a message; `path` is where it stands in the whole one. */
  message(item: Item, desc: DescMessage, path: string, depth = 0): JsonValue {
    const node = this.#resolve(item, path, depth);
    if (desc.typeName.startsWith("google.protobuf.")) return this.#wellKnown(node, desc, path, depth);
    const json: JsonObject = {};
    if (!isMap(node)) {
      this.#problem(node, `${nameOf(path)} is ${kindOf(node)}, not a mapping of its fields`);
      return json;
    }
    const chosen = new Map<string, string>();
    for (const [name, { key, value }] of this.#entries(node, path, depth)) {
      const field = desc.fields.find((candidate) => candidate.name === name || candidate.jsonName === name);
      if (field === undefined) {
        if (depth > 0 || !ownKey.test(name)) this.#unknownField(key, name, desc, path);
        continue;
      }
      const at = path === "" ? field.name : `${path}.${field.name}`;
      this.offsets.set(at, offsetOf(value ?? key));
      const before = field.oneof && chosen.get(field.oneof.name);
      if (before !== undefined) this.#problem(key, `${before} and ${field.name} exclude each other`);
      if (field.jsonName in json) this.#problem(key, `${at} is given twice, in two spellings`);
      if (field.oneof) chosen.set(field.oneof.name, field.name);
      const read = this.#field(value, field, at, depth);
      if (read !== undefined) json[field.jsonName] = read;
    }
    return json;
  }

  #field(item: Item, field: DescField, path: string, depth: number): JsonValue | undefined {
    const node = this.#resolve(item, path, depth);
    const isValue = field.fieldKind === "message" && field.message.typeName === "google.protobuf.Value";
    // As ProtoJSON has it: null is absent, but for a value that is null.
    if (!isValue && (node === undefined || (isScalar(node) && node.value === null))) return undefined;
    switch (field.fieldKind) {
      case "message":
        return this.message(node, field.message, path, depth + 1);
      case "enum":
        return this.#enum(node, field.enum, path);
      case "scalar":
        return this.#scalar(node, field.scalar, path);
      case "list":
        return this.list(node, field, path, depth + 1);
      case "map":
        return this.#map(node, field, path, depth + 1);
    }
  }

  /** Reads a list of what the field holds. */
  list(item: Item, field: DescField & { fieldKind: "list" }, path: string, depth = 0): JsonValue[] {
    const node = this.#resolve(item, path, depth);
    if (!isSeq(node)) {
      this.#problem(node, `${path} is ${kindOf(node)}, not a list`);
      return [];
    }
    return node.items.map((each, index) => {
      const at = `${path}[${index}]`;
      const itemNode = this.#resolve(each as Item, at, depth);
      this.offsets.set(at, offsetOf(itemNode ?? node));
      if (field.listKind === "message") return this.message(itemNode, field.message, at, depth + 1);
      if (field.listKind === "enum") return this.#enum(itemNode, field.enum, at);
      return this.#scalar(itemNode, field.scalar, at);
    });
  }

  #map(node: Item, field: DescField & { fieldKind: "map" }, path: string, depth: number): JsonValue {
    if (!isMap(node)) {
      this.#problem(node, `${path} is ${kindOf(node)}, not a mapping`);
      return {};
    }
    const json: JsonObject = {};
    for (const [name, { value }] of this.#entries(node, path, depth)) {
      const at = `${path}[${JSON.stringify(name)}]`;
      const each = this.#resolve(value, at, depth);
      this.offsets.set(at, offsetOf(each ?? node));
      if (field.mapKind === "message") json[name] = this.message(each, field.message, at, depth + 1);
      else if (field.mapKind === "enum") json[name] = this.#enum(each, field.enum, at);
      else json[name] = this.#scalar(each, field.scalar, at);
    }
    return json;
  }

  #enum(node: Item, desc: DescEnum, path: string): JsonValue {
    const text = isScalar(node) ? node.value : undefined;
    const value = desc.values.find(
      ({ name, number }) => number !== 0 && (name === text || shortName(desc, name) === text),
    );
    if (value) return value.name;
    const names = desc.values.filter(({ number }) => number !== 0).map(({ name }) => shortName(desc, name));
    this.#problem(node, `${path} is ${kindOf(node)}, none of ${names.join(", ")}`);
    return 0;
  }

  #scalar(node: Item, type: ScalarType, path: string): JsonValue {
    const read = readScalar(node, type);
    if ("value" in read) return read.value;
    this.#problem(node, `${path} is ${kindOf(node)}, ${read.problem}`);
    return null;
  }

  /** Struct and Value take what JSON can say; durations and times are texts of a form. */
  #wellKnown(node: Item, desc: DescMessage, path: string, depth: number): JsonValue {
    if (desc.typeName === "google.protobuf.Struct" && !isMap(node)) {
      this.#problem(node, `${path} is ${kindOf(node)}, not a mapping`);
      return {};
    }
    const json = this.#plain(node, path, depth);
    if (["google.protobuf.Struct", "google.protobuf.Value"].includes(desc.typeName)) return json;
    try {
      fromJson(desc, json);
    } catch {
      // Which form was expected says more than the error of the decoder.
      this.#problem(node, `${path} is ${kindOf(node)}, ${formOf(desc)}`);
    }
    return json;
  }

  #plain(item: Item, path: string, depth: number): JsonValue {
    const node = this.#resolve(item, path, depth);
    if (isMap(node)) {
      const json: JsonObject = {};
      for (const [name, { value }] of this.#entries(node, path, depth)) {
        // A name like __proto__ is one like any other.
        Object.defineProperty(json, name, {
          value: this.#plain(value, path, depth + 1),
          ...{ enumerable: true, configurable: true, writable: true },
        });
      }
      return json;
    }
    if (isSeq(node)) return node.items.map((each) => this.#plain(each as Item, path, depth + 1));
    const value = isScalar(node) ? node.value : null;
    if (typeof value === "bigint") return Number(value);
    if (typeof value === "number" && !Number.isFinite(value)) {
      this.#problem(node, `${path} holds ${kindOf(node)}, which JSON cannot say`);
      return null;
    }
    return value as JsonValue;
  }

  /** The entries of a mapping by name, those of merges behind it. */
  #entries(map: YAMLMap, path: string, depth: number): Map<string, Entry> {
    const entries = new Map<string, Entry>();
    const merged: YAMLMap[] = [];
    for (const { key, value } of map.items) {
      const keyNode = key as Node;
      const name = isScalar(keyNode) && keyNode.value !== null ? String(keyNode.value) : undefined;
      if (name === undefined) this.#problem(keyNode, `a key in ${nameOf(path)} is ${kindOf(keyNode)}, not a text`);
      else if (name === "<<" && isScalar(keyNode) && keyNode.type === "PLAIN") {
        merged.push(...this.#merged(value as Item, path, depth));
      } else entries.set(name, { key: keyNode, value: value as Item });
    }
    for (const each of merged) {
      for (const [name, entry] of this.#entries(each, path, depth + 1))
        if (!entries.has(name)) entries.set(name, entry);
    }
    return entries;
  }

  #merged(item: Item, path: string, depth: number): YAMLMap[] {
    const node = this.#resolve(item, path, depth);
    const nodes = isSeq(node) ? node.items.map((each) => this.#resolve(each as Item, path, depth)) : [node];
    return nodes.filter((each) => {
      if (isMap(each)) return true;
      this.#problem(each, `<< in ${nameOf(path)} takes a mapping or a list of them, not ${kindOf(each)}`);
      return false;
    }) as YAMLMap[];
  }

  /** What an alias stands for. */
  #resolve(item: Item, path: string, depth: number): Item {
    this.#values += 1;
    if (depth > depthMax || this.#values > valuesMax) {
      const what = depth > depthMax ? "more levels than" : "more values than";
      const max = depth > depthMax ? depthMax : valuesMax;
      throw new Unreadable({
        offset: offsetOf(item),
        message: `${nameOf(path)} has ${what} ${max}; does an alias contain itself?`,
      });
    }
    if (!isAlias(item)) return item;
    const node = item.resolve(this.#source.document);
    if (node === undefined)
      throw new Unreadable({ offset: offsetOf(item), message: `there is no anchor &${item.source} above it` });
    return node;
  }

  #unknownField(key: Node, name: string, desc: DescMessage, path: string): void {
    const names = desc.fields.map((field) => field.name);
    const closest = closestName(name, names);
    const isOfBatch = path === "" && names.includes("new_batch") && ["name", "metadata", "open"].includes(name);
    const hint = isOfBatch
      ? `that of the batch is new_batch.${name}`
      : closest === undefined
        ? `there are ${fieldNames(desc)}`
        : `is it ${closest}?`;
    this.#problem(key, `${path === "" ? "there is" : `${path} has`} no field ${name}; ${hint}`);
  }

  #problem(node: Item, message: string): void {
    this.problems.push({ offset: offsetOf(node), message });
  }
}

/** Unreadable ends the reading of a file that would never end or fill the memory, or whose alias stands for nothing. */
export class Unreadable extends Error {
  override readonly name = "Unreadable";
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.message);
    this.problem = problem;
  }
}
