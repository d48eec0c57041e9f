import { type DescEnum, isFieldSet, type Message, type MessageShape } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import {
  DoubleRulesSchema,
  DurationRulesSchema,
  EnumRulesSchema,
  type FieldRulesSchema,
  Int32RulesSchema,
  Int64RulesSchema,
  MapRulesSchema,
  RepeatedRulesSchema,
  StringRulesSchema,
  TimestampRulesSchema,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

/** What `buf.validate.field` says of a field. */
export type FieldRules = MessageShape<typeof FieldRulesSchema>;

/** Tells that a value keeps its rules; false: it may or may not. */
export type Check = (value: unknown) => boolean;

/** The check of rules that are not known here. */
export const never = (): boolean => false;

/** Checks a list: its length, and each of its items. */
export function listCheck(rules: FieldRules | undefined, item: Check | undefined): Check | undefined {
  if (rules === undefined && item === undefined) return undefined;
  let [min, max] = [0, Number.POSITIVE_INFINITY];
  let isUnique = false;
  if (rules !== undefined) {
    const known = ["minItems", "maxItems", "unique", "items"];
    if (rules.type.case !== "repeated" || !saysOnly(rules, RepeatedRulesSchema, known)) return never;
    const { value } = rules.type;
    isUnique = value.unique;
    if (isFieldSet(value, RepeatedRulesSchema.field.minItems)) min = Number(value.minItems);
    if (isFieldSet(value, RepeatedRulesSchema.field.maxItems)) max = Number(value.maxItems);
  }
  let valid: readonly unknown[] | undefined;
  return (value) => {
    const list = value as readonly unknown[];
    if (list === valid) return true;
    if (list.length < min || list.length > max) return false;
    if (isUnique && !areDifferentTexts(list)) return false;
    if (item !== undefined) for (let n = 0; n < list.length; n += 1) if (!item(list[n])) return false;
    // Many tasks of a request may have the same one (src/wire/rules-reader.ts): what is frozen is so with all that is in it, and stays as it was seen.
    if (item !== undefined && list.length > 0 && Object.isFrozen(list)) valid = list;
    return true;
  };
}

/** Other items than texts may be equal in ways that are not known here. */
function areDifferentTexts(list: readonly unknown[]): boolean {
  return list.every((item) => typeof item === "string") && (list.length < 2 || new Set(list).size === list.length);
}

/** Checks the items of a list of scalars or enums. */
export function itemCheck(desc: DescEnum | undefined, rules: FieldRules | undefined): Check | undefined {
  return rules === undefined || !(rules.required || rules.ignore !== 0) ? valueCheck(desc, rules) : never;
}

/** Checks a map: its size, and the texts that are its keys and values. */
export function mapCheck(rules: FieldRules | undefined): Check | undefined {
  if (rules === undefined) return undefined;
  if (rules.type.case !== "map" || !saysOnly(rules, MapRulesSchema, ["maxPairs", "keys", "values"])) return never;
  const { value } = rules.type;
  const max = isFieldSet(value, MapRulesSchema.field.maxPairs) ? Number(value.maxPairs) : Number.POSITIVE_INFINITY;
  const [key, item] = [itemCheck(undefined, value.keys), itemCheck(undefined, value.values)];
  return (map) => {
    const entries = Object.entries(map as object);
    return entries.length <= max && entries.every(([name, each]) => (key?.(name) ?? true) && (item?.(each) ?? true));
  };
}

/** Checks one value by its rules; undefined: any will do. */
export function valueCheck(desc: DescEnum | undefined, rules: FieldRules | undefined): Check | undefined {
  if (rules === undefined) return undefined;
  const { type } = rules;
  switch (type.case) {
    case undefined:
      return rules.cel.length + rules.celExpression.length === 0 && rules.$unknown === undefined ? undefined : never;
    case "string":
      return saysOnly(rules, StringRulesSchema, ["minLen", "maxLen", "notContains", "uuid"])
        ? textCheck(type.value)
        : never;
    case "int32":
      return saysOnly(rules, Int32RulesSchema, ["gte", "lte"]) ? rangeCheck(type.value) : never;
    case "int64":
      return saysOnly(rules, Int64RulesSchema, ["gte", "lte"]) ? rangeCheck(type.value) : never;
    case "double":
      return saysOnly(rules, DoubleRulesSchema, ["gte", "lte"]) ? rangeCheck(type.value) : never;
    case "duration":
      return saysOnly(rules, DurationRulesSchema, ["gte", "lte"]) ? timeCheck(type.value) : never;
    case "timestamp":
      return saysOnly(rules, TimestampRulesSchema, ["gte", "lte"]) ? timeCheck(type.value as Range<Time>) : never;
    case "enum":
      return desc !== undefined && saysOnly(rules, EnumRulesSchema, ["definedOnly", "notIn"])
        ? enumCheck(desc, type.value)
        : never;
    default:
      return never;
  }
}

/** Whether the rules of a field say nothing but what these names do. */
function saysOnly<T extends Message>(rules: FieldRules, schema: GenMessage<T>, names: readonly string[]): boolean {
  const own = rules.type.value as T | undefined;
  if (own === undefined || own.$typeName !== schema.typeName) return false;
  if (rules.cel.length + rules.celExpression.length > 0) return false;
  if (rules.$unknown !== undefined || own.$unknown !== undefined) return false;
  return schema.fields.every((field) => names.includes(field.localName) || !isFieldSet(own, field as never));
}

const uuid = /^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/;

function textCheck(rules: MessageShape<typeof StringRulesSchema>): Check {
  const isSet = (name: "minLen" | "maxLen" | "notContains") => isFieldSet(rules, StringRulesSchema.field[name]);
  const min = isSet("minLen") ? Number(rules.minLen) : 0;
  // Lengths are of characters. One that is beyond 2^16 is two units of a text here, so long texts may still be valid, and short ones not be.
  const unitsMin = min <= 1 ? min : min * 2;
  const unitsMax = isSet("maxLen") ? Number(rules.maxLen) : Number.POSITIVE_INFINITY;
  const forbidden = isSet("notContains") ? rules.notContains : undefined;
  const isUuid = rules.wellKnown.case === "uuid" && rules.wellKnown.value;
  return (value) => {
    const text = value as string;
    return (
      text.length >= unitsMin &&
      text.length <= unitsMax &&
      (forbidden === undefined || !text.includes(forbidden)) &&
      (!isUuid || uuid.test(text))
    );
  };
}

/** Bounds as protovalidate holds them. */
interface Range<T> {
  readonly greaterThan: { readonly value?: T | undefined };
  readonly lessThan: { readonly value?: T | undefined };
}

function rangeCheck({ greaterThan, lessThan }: Range<number | bigint>): Check {
  const min = greaterThan.value;
  const max = lessThan.value;
  // NaN is in no range.
  return (value) =>
    (min === undefined || (value as number | bigint) >= min) &&
    (max === undefined || (value as number | bigint) <= max);
}

interface Time {
  readonly seconds: bigint;
  readonly nanos: number;
}

/** Durations and timestamps. Only such as are written in the usual way and not negative. */
function timeCheck({ greaterThan, lessThan }: Range<Time>): Check {
  const min = greaterThan.value ?? { seconds: 0n, nanos: 0 };
  const max = lessThan.value ?? { seconds: 253_402_300_799n, nanos: 999_999_999 };
  return (value) => {
    const { seconds, nanos } = value as Time;
    return (
      seconds >= 0n &&
      nanos >= 0 &&
      nanos <= 999_999_999 &&
      (seconds > min.seconds || (seconds === min.seconds && nanos >= min.nanos)) &&
      (seconds < max.seconds || (seconds === max.seconds && nanos <= max.nanos))
    );
  };
}

function enumCheck(desc: DescEnum, { definedOnly, notIn }: MessageShape<typeof EnumRulesSchema>): Check {
  const valid = new Set(desc.values.map(({ number }) => number).filter((number) => !notIn.includes(number)));
  if (definedOnly) return (value) => valid.has(value as number);
  return (value) => !notIn.includes(value as number);
}
