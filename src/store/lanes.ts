import { type Rule, ruleKey } from "../domain/rule.ts";
import type { Database, Statement } from "./database.ts";

/** Under which rules a task starts, and in which queue. */
export interface LaneRequest {
  readonly queue: number;
  /** With whom it takes turns; null: with nobody. */
  readonly flow: number | null;
  readonly rules: readonly Rule[];
  /** Metadata as JSON; it has every field that the rules read. */
  readonly metadata: string | null;
}

const addStatements = {
  rules: { name: "add_rules", text: "select mp_add_rules($1, $2, $3, $4, $5, $6, $7, $8) ids" },
  keys: { name: "add_rule_keys", text: "select mp_add_rule_keys($1, $2, $3, $4, $5) ids" },
  lanes: { name: "add_lanes", text: "select mp_add_lanes($1, $2, $3, $4, $5, $6) ids" },
} as const satisfies Record<string, Statement>;

/** How many numbers of each dictionary are kept. */
const cachedMax = 100_000;

/** The dictionaries of rules, of the keys that they limit, and of lanes: what tasks of one queue that take turns together, with the same rules and keys, have in common. They only grow, so what is cached stays true. */
export class Lanes {
  readonly #db: Pick<Database, "write">;
  readonly #rules = new Map<string, number>();
  readonly #keys = new Map<string, bigint>();
  readonly #lanes = new Map<string, bigint>();

  constructor(db: Pick<Database, "write">) {
    this.#db = db;
  }

  /** The lanes of tasks, made where they are missing; null for a task without rules. */
  async intern(namespaceId: number, wanted: readonly LaneRequest[]): Promise<(bigint | null)[]> {
    if (wanted.every(({ rules }) => rules.length === 0)) return wanted.map(() => null);
    const parts = wanted.map(({ queue, flow, rules, metadata }) => {
      if (rules.length === 0) return undefined;
      const values = metadata === null ? {} : (JSON.parse(metadata) as Record<string, unknown>);
      return { queue, flow: flow ?? 0, pairs: distinct(rules.map((rule) => ({ rule, key: ruleKey(rule, values) }))) };
    });
    const pairs = parts.flatMap((part) => part?.pairs ?? []);
    const rules = await this.#addRules(
      namespaceId,
      new Map(pairs.map(({ rule }) => [`${namespaceId} ${ruleDigest(rule)}`, rule])),
    );
    const keys = await this.#addKeys(
      namespaceId,
      new Map(pairs.map((pair) => [`${namespaceId} ${keyDigest(pair)}`, pair])),
    );
    const lanes = parts.map((part) => {
      if (part === undefined) return undefined;
      const numbered = part.pairs.map((pair) => ({
        rule: rules.get(`${namespaceId} ${ruleDigest(pair.rule)}`) as number,
        key: keys.get(`${namespaceId} ${keyDigest(pair)}`) as bigint,
      }));
      numbered.sort((a, b) => (a.key === b.key ? a.rule - b.rule : a.key < b.key ? -1 : 1));
      const { queue, flow } = part;
      return { queue, flow, rules: numbered.map(({ rule }) => rule), keys: numbered.map(({ key }) => key) };
    });
    const ids = await this.#addLanes(namespaceId, lanes);
    return lanes.map((lane) => (lane === undefined ? null : (ids.get(laneDigest(lane)) as bigint)));
  }

  #addRules(namespaceId: number, wanted: ReadonlyMap<string, Rule>): Promise<ReadonlyMap<string, number>> {
    return missing(this.#rules, wanted, (rows) =>
      this.#add(addStatements.rules, [
        namespaceId,
        ...[rows.map(({ name }) => name), rows.map(({ kind }) => kind)],
        ...[rows.map(({ fields }) => JSON.stringify(fields)), rows.map(({ type }) => type)],
        ...[rows.map(({ bound }) => bound), rows.map(({ windowMs }) => windowMs), rows.map(ruleDigest)],
      ]),
    );
  }

  #addKeys(namespaceId: number, wanted: ReadonlyMap<string, Pair>): Promise<ReadonlyMap<string, bigint>> {
    return missing(this.#keys, wanted, (rows) =>
      this.#add(addStatements.keys, [
        namespaceId,
        ...[rows.map(({ rule }) => rule.type), rows.map(({ rule }) => rule.windowMs)],
        ...[rows.map(({ rule }) => rule.kind), rows.map(({ key }) => key)],
      ]),
    );
  }

  #addLanes(namespaceId: number, lanes: readonly (Lane | undefined)[]): Promise<ReadonlyMap<string, bigint>> {
    const wanted = new Map(lanes.flatMap((lane) => (lane === undefined ? [] : [[laneDigest(lane), lane] as const])));
    return missing(this.#lanes, wanted, (rows) =>
      this.#add(addStatements.lanes, [
        namespaceId,
        ...[rows.map(({ queue }) => queue), rows.map(({ rules }) => `{${rules.join(",")}}`)],
        ...[rows.map(({ keys }) => `{${keys.join(",")}}`), rows.map(laneDigest)],
        rows.map(({ flow }) => flow),
      ]),
    );
  }

  async #add<Id>(statement: Statement, values: readonly unknown[]): Promise<Id[]> {
    const [row] = await this.#db.write<{ ids: Id[] }>(statement, values);
    return row?.ids ?? [];
  }
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
