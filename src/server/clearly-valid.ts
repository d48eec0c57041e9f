import type { DescField, DescMessage, DescOneof, MessageShape } from "@bufbuild/protobuf";
import { getOption, hasOption } from "@bufbuild/protobuf";
import {
  field as fieldOption,
  Ignore,
  message as messageOption,
  oneof as oneofOption,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { type Check, type FieldRules, itemCheck, listCheck, mapCheck, never, valueCheck } from "./rule-checks.ts";

/** Tells that a message keeps the rules of the contract; false: it may or may not, and protovalidate has to say. */
export type ClearlyValid = (desc: DescMessage, message: MessageShape<DescMessage>) => boolean;

/** A message as its fields are looked up in it. */
type Fields = Readonly<Record<string, unknown>>;
type MessageCheck = (message: Fields) => boolean;

/**
 * createClearlyValid makes a check that knows valid requests for less than protovalidate, which walks reflected messages and makes a path for every
 * field. The rules are read from the descriptors, as protovalidate reads them: of each, either what keeps it for certain is known here (lengths, ranges, counts,
 * different texts, enums, UUIDs, what is required), or nothing with that rule is clearly valid. So nothing that is refused is decided here, nor how it is said.
 */
export function createClearlyValid(): ClearlyValid {
  const checks = new Map<DescMessage, { check: MessageCheck | undefined }>();

  /** The check of a message's fields; undefined: there are no rules in it. */
  function checkOf(desc: DescMessage): MessageCheck | undefined {
    const known = checks.get(desc);
    if (known !== undefined) return known.check;
    // Google's own types carry no rules, and some are not messages when they are fields of others (a Struct is an object).
    if (desc.file.name.startsWith("google/protobuf/")) return undefined;
    // A message may hold itself.
    const entry: { check: MessageCheck | undefined } = { check: (message) => entry.check?.(message) ?? true };
    checks.set(desc, entry);
    entry.check = compile(desc);
    return entry.check;
  }

  function compile(desc: DescMessage): MessageCheck | undefined {
    if (hasOption(desc, messageOption)) return never;
    const parts = [
      ...desc.fields.flatMap((field) => fieldCheck(field) ?? []),
      ...desc.oneofs.flatMap((oneof) => oneofCheck(oneof) ?? []),
    ];
    if (parts.length === 0) return undefined;
    return (message) => {
      for (let n = 0; n < parts.length; n += 1) if (!(parts[n] as MessageCheck)(message)) return false;
      return true;
    };
  }

  function fieldCheck(field: DescField): MessageCheck | undefined {
    const rules = hasOption(field, fieldOption) ? getOption(field, fieldOption) : undefined;
    if (rules?.ignore === Ignore.ALWAYS) return undefined;
    const check = kindCheck(field, rules);
    if (rules?.required === true) return field.fieldKind === "message" ? required(field, check) : never;
    if (check === undefined) return undefined;
    const mayBeZero = rules?.ignore === Ignore.IF_ZERO_VALUE;
    const name = field.localName;
    if (field.oneof !== undefined) {
      const group = field.oneof.localName;
      return (message) => {
        const chosen = message[group] as { readonly case: string | undefined; readonly value?: unknown };
        return chosen.case !== name || check(chosen.value);
      };
    }
    return (message) => {
      const value = message[name];
      return value === undefined || (mayBeZero && value === "") || check(value);
    };
  }

  /** The check of a field's value; undefined: any will do. */
  function kindCheck(field: DescField, rules: FieldRules | undefined): Check | undefined {
    switch (field.fieldKind) {
      case "list": {
        const items = rules?.type.case === "repeated" ? rules.type.value.items : undefined;
        const nested = field.listKind === "message" ? (checkOf(field.message) as Check | undefined) : undefined;
        return listCheck(
          rules,
          nested === undefined ? itemCheck(field.enum, items) : items === undefined ? nested : never,
        );
      }
      case "map":
        if (field.mapKind === "message" && checkOf(field.message) !== undefined) return never;
        return mapCheck(rules);
      case "message":
        return both(valueCheck(undefined, rules), checkOf(field.message) as Check | undefined);
      default:
        return valueCheck(field.enum, rules);
    }
  }

  return (desc, message) => checkOf(desc)?.(message as unknown as Fields) ?? true;
}

function required(field: DescField, check: Check | undefined): MessageCheck {
  if (field.oneof !== undefined) return never;
  const name = field.localName;
  return (message) => message[name] !== undefined && (check?.(message[name]) ?? true);
}

function oneofCheck(oneof: DescOneof): MessageCheck | undefined {
  if (!hasOption(oneof, oneofOption)) return undefined;
  const name = oneof.localName;
  return (message) => (message[name] as { readonly case: string | undefined }).case !== undefined;
}

function both(first: Check | undefined, second: Check | undefined): Check | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  return (value) => first(value) && second(value);
}
