import { type Rule, ruleKey } from "../domain/rule.ts";
import { fieldsOf, valuesTextOfJson } from "../domain/rule-set.ts";
import { BoundedCache } from "../lib/bounded-cache.ts";
import type { Database, Statement } from "./database.ts";

/** Under which rules a task starts, and in which queue. */
export interface LaneRequest {
  readonly queue: number;
  /** With whom it takes turns; null: with nobody. */
  readonly flow: number | null;
  readonly rules: readonly Rule[];
  /** Metadata as JSON; it has every field that the rules read. */
  readonly metadata: string | null;
  /** `valuesText` of the fields that the rules read, where it is known already. */
  readonly ruleValues?: string | undefined;
}

const addStatements = {
  rules: { name: "add_rules", text: "select mp_add_rules($1, $2, $3, $4, $5, $6, $7, $8) ids" },
  keys: { name: "add_rule_keys", text: "select mp_add_rule_keys($1, $2, $3, $4, $5) ids" },
  lanes: { name: "add_lanes", text: "select mp_add_lanes($1, $2, $3, $4, $5, $6) ids" },
} as const satisfies Record<string, Statement>;

/** How many numbers of each dictionary are kept. */
const cachedMax = 100_000;
/** Lanes that are found by what was asked for. */
const foundBounds = { entriesMax: 100_000, bytesMax: 32 * 1024 * 1024 };
/** Different lists of rules that are known by a number. */
const listsMax = 10_000;

/** The dictionaries of rules, of the keys that they limit, and of lanes: what tasks of one queue that take turns together, with the same rules and keys, have in common. They only grow, so what is cached stays true. */
export class Lanes {
  readonly #db: Pick<Database, "write">;
  readonly #rules = new Map<string, number>();
  readonly #keys = new Map<string, bigint>();
  readonly #lanes = new Map<string, bigint>();
  /** By namespace, queue, flow, rules and values: the same lane may be found in several ways. */
  readonly #found = new BoundedCache<bigint>(foundBounds);
  readonly #lists = new WeakMap<readonly Rule[], RuleList>();
  readonly #listNumbers = new Map<string, number>();
  #listCount = 0;

  constructor(db: Pick<Database, "write">) {
    this.#db = db;
  }

  /** The lanes of tasks, made where they are missing; null for a task without rules. Lists of rules are not changed once they were given. */
  async intern(namespaceId: number, wanted: readonly LaneRequest[]): Promise<(bigint | null)[]> {
    const lanes = new Array<bigint | null>(wanted.length).fill(null);
    /** What is not known yet, once, with the places of those that ask for it. */
    const unknown = new Map<string, { readonly request: LaneRequest; readonly places: number[] }>();
    for (let place = 0; place < wanted.length; place += 1) {
      const request = wanted[place] as LaneRequest;
      if (request.rules.length === 0) continue;
      const asked = `${namespaceId} ${this.#textOf(request)}`;
      const found = this.#found.get(asked);
      if (found !== undefined) {
        lanes[place] = found;
        continue;
      }
      const others = unknown.get(asked);
      if (others === undefined) unknown.set(asked, { request, places: [place] });
      else others.places.push(place);
    }
    if (unknown.size === 0) return lanes;
    const requests = Array.from(unknown.values(), ({ request }) => request);
    const added = await this.#add(namespaceId, requests);
    for (const [n, [asked, { places }]] of [...unknown].entries()) {
      const lane = added[n] as bigint;
      this.#found.set(asked, lane, bytesOfLane);
      for (const place of places) lanes[place] = lane;
    }
    return lanes;
  }

  /** What decides the lane. */
  #textOf({ queue, flow, rules, metadata, ruleValues }: LaneRequest): string {
    const { number, fields } = this.#listOf(rules);
    return `${queue} ${flow ?? 0} ${number} ${ruleValues ?? valuesTextOfJson(fields, metadata)}`;
  }

  /** Lists with equal rules have one number. */
  #listOf(rules: readonly Rule[]): RuleList {
    const known = this.#lists.get(rules);
    if (known !== undefined) return known;
    const digest = rules.map(ruleDigest).join(" ");
    let number = this.#listNumbers.get(digest);
    if (number === undefined) {
      number = this.#listCount++;
      this.#listNumbers.set(digest, number);
      if (this.#listNumbers.size > listsMax) this.#listNumbers.delete(this.#listNumbers.keys().next().value as string);
    }
    const list = { number, fields: fieldsOf(rules) };
    this.#lists.set(rules, list);
    return list;
  }

  /** The lanes of tasks that have rules, looked up in the dictionaries. */
  async #add(namespaceId: number, wanted: readonly LaneRequest[]): Promise<bigint[]> {
    const parts = wanted.map(({ queue, flow, rules, metadata }) => {
      const values = metadata === null ? {} : (JSON.parse(metadata) as Record<string, unknown>);
      return { queue, flow: flow ?? 0, pairs: distinct(rules.map((rule) => ({ rule, key: ruleKey(rule, values) }))) };
    });
    const pairs = parts.flatMap((part) => part.pairs);
    const rules = await this.#addRules(
      namespaceId,
      new Map(pairs.map(({ rule }) => [`${namespaceId} ${ruleDigest(rule)}`, rule])),
    );
    const keys = await this.#addKeys(
      namespaceId,
      new Map(pairs.map((pair) => [`${namespaceId} ${keyDigest(pair)}`, pair])),
    );
    const lanes = parts.map(({ queue, flow, pairs: own }): Lane => {
      const numbered = own.map((pair) => ({
        rule: rules.get(`${namespaceId} ${ruleDigest(pair.rule)}`) as number,
        key: keys.get(`${namespaceId} ${keyDigest(pair)}`) as bigint,
      }));
      numbered.sort((a, b) => (a.key === b.key ? a.rule - b.rule : a.key < b.key ? -1 : 1));
      return { queue, flow, rules: numbered.map(({ rule }) => rule), keys: numbered.map(({ key }) => key) };
    });
    const ids = await this.#addLanes(namespaceId, lanes);
    return lanes.map((lane) => ids.get(laneDigest(lane)) as bigint);
  }

  #addRules(namespaceId: number, wanted: ReadonlyMap<string, Rule>): Promise<ReadonlyMap<string, number>> {
    return missing(this.#rules, wanted, (rows) =>
      this.#write(addStatements.rules, [
        namespaceId,
        ...[rows.map(({ name }) => name), rows.map(({ kind }) => kind)],
        ...[rows.map(({ fields }) => JSON.stringify(fields)), rows.map(({ type }) => type)],
        ...[rows.map(({ bound }) => bound), rows.map(({ windowMs }) => windowMs), rows.map(ruleDigest)],
      ]),
    );
  }

  #addKeys(namespaceId: number, wanted: ReadonlyMap<string, Pair>): Promise<ReadonlyMap<string, bigint>> {
    return missing(this.#keys, wanted, (rows) =>
      this.#write(addStatements.keys, [
        namespaceId,
        ...[rows.map(({ rule }) => rule.type), rows.map(({ rule }) => rule.windowMs)],
        ...[rows.map(({ rule }) => rule.kind), rows.map(({ key }) => key)],
      ]),
    );
  }

  #addLanes(namespaceId: number, lanes: readonly Lane[]): Promise<ReadonlyMap<string, bigint>> {
    const wanted = new Map(lanes.map((lane) => [laneDigest(lane), lane]));
    return missing(this.#lanes, wanted, (rows) =>
      this.#write(addStatements.lanes, [
        namespaceId,
        ...[rows.map(({ queue }) => queue), rows.map(({ rules }) => `{${rules.join(",")}}`)],
        ...[rows.map(({ keys }) => `{${keys.join(",")}}`), rows.map(laneDigest)],
        rows.map(({ flow }) => flow),
      ]),
    );
  }

  async #write<Id>(statement: Statement, values: readonly unknown[]): Promise<Id[]> {
    const [row] = await this.#db.write<{ ids: Id[] }>(statement, values);
    return row?.ids ?? [];
  }
}

/** A number, as it is kept. */
const bytesOfLane = 16;

interface RuleList {
  readonly number: number;
  /** The metadata fields that they read. */
  readonly fields: readonly string[];
}

interface Pair {
  readonly rule: Rule;
  readonly key: string;
}

interface Lane {
  readonly queue: number;
  readonly flow: number;
  readonly rules: readonly number[];
  readonly keys: readonly bigint[];
}

/** Of rules that limit the same key, the strictest decides: the others are kept with the task, and say nothing. */
function distinct(pairs: readonly Pair[]): Pair[] {
  const strictest = new Map<string, Pair>();
  for (const pair of pairs) {
    const other = strictest.get(keyDigest(pair));
    if (other === undefined || pair.rule.bound < other.rule.bound) strictest.set(keyDigest(pair), pair);
  }
  return [...strictest.values()];
}

function ruleDigest({ name, kind, fields, type, bound, windowMs }: Rule): string {
  return JSON.stringify([kind, fields, type, String(bound), windowMs, name]);
}

function keyDigest({ rule, key }: Pair): string {
  return `${rule.type} ${rule.windowMs} ${key}`;
}

function laneDigest({ queue, flow, rules, keys }: Lane): string {
  return `${queue}${flow === 0 ? "" : `/${flow}`} ${rules.map((rule, n) => `${rule}:${keys[n]}`).join(" ")}`;
}

/** Looks up what is wanted, and adds what is not known: `add` answers the numbers of rows in their order. */
async function missing<Row, Id>(
  cache: Map<string, Id>,
  wanted: ReadonlyMap<string, Row>,
  add: (rows: readonly Row[]) => Promise<readonly Id[]>,
): Promise<ReadonlyMap<string, Id>> {
  const unknown = [...wanted].filter(([digest]) => !cache.has(digest));
  const known = new Map(
    [...wanted.keys()].flatMap((digest) => (cache.has(digest) ? [[digest, cache.get(digest) as Id]] : [])),
  );
  if (unknown.length === 0) return known;
  const ids = await add(unknown.map(([, row]) => row));
  for (const [n, [digest]] of unknown.entries()) {
    known.set(digest, ids[n] as Id);
    cache.set(digest, ids[n] as Id);
    if (cache.size > cachedMax) cache.delete(cache.keys().next().value as string);
  }
  return known;
}
