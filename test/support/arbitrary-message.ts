import {
  create,
  type DescField,
  type DescMessage,
  getOption,
  hasOption,
  type MessageShape,
  ScalarType,
} from "@bufbuild/protobuf";
import {
  type FieldRulesSchema,
  field as fieldOption,
  oneof as oneofOption,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import fc from "fast-check";

type Rules = MessageShape<typeof FieldRulesSchema> | undefined;

const uuid = "0190f5a0-1111-7222-8333-444455556666";
const texts = fc.oneof(
  fc.constantFrom("", "a", "key", "\0", "a\0b", uuid, `${uuid.slice(0, -1)}G`),
  fc
    .tuple(
      fc.constantFrom("x", "é", "𝒳"),
      fc.constantFrom(99, 100, 101, 127, 128, 255, 256, 1000, 1001, 4096, 4097, 8193),
    )
    .map(([unit, times]) => unit.repeat(times)),
);
const numbers = fc.constantFrom(-(2 ** 31), -1001, -1000, -1, 0, 1, 2, 10, 100, 101, 1000, 1001, 10_001, 2 ** 31 - 1);
const seconds = fc.constantFrom(
  -1n,
  0n,
  86_400n,
  86_401n,
  31_622_400n,
  31_622_401n,
  253_402_300_799n,
  253_402_300_800n,
);
const times = fc.record({ seconds, nanos: fc.constantFrom(-1, 0, 0, 0, 1, 999_999_999, 1_000_000_000) });

/** Mostly what keeps the rules, and now and then anything. */
const mostly = (usual: fc.Arbitrary<unknown>, wild: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 40, arbitrary: usual }, { weight: 1, arbitrary: wild });

/** arbitraryMessage makes messages of a type: most of their values keep the rules of the contract, and some are just beyond, so that about half of the messages are valid. */
export function arbitraryMessage<Desc extends DescMessage>(desc: Desc, depth = 0): fc.Arbitrary<MessageShape<Desc>> {
  const members = desc.members.map((member) => {
    const name = member.localName;
    if (member.kind === "field") {
      const isRequired = rulesOf(member)?.required === true || rulesOf(member)?.ignore === 0;
      return {
        name,
        arbitrary: maybe(fieldOf(member, depth), isRequired && hasNoZero(member) ? 50 : depth > 1 ? 1 : 3),
      };
    }
    const cases = member.fields.map((field) =>
      singular(field, rulesOf(field), depth).map((value) => ({ case: field.localName, value })),
    );
    const isRequired = hasOption(member, oneofOption) && getOption(member, oneofOption).required;
    return { name, arbitrary: maybe(fc.oneof(...cases), isRequired ? 50 : 1) };
  });
  return fc
    .tuple(...members.map(({ arbitrary }) => arbitrary))
    .map((values) =>
      create(desc, Object.fromEntries(values.map((value, n) => [members[n]?.name, value])) as never),
    ) as fc.Arbitrary<MessageShape<Desc>>;
}

/** Absent once in so many times. */
function maybe(arbitrary: fc.Arbitrary<unknown>, freq: number): fc.Arbitrary<unknown> {
  return fc.option(arbitrary, { nil: undefined, freq });
}

function rulesOf(field: DescField): Rules {
  return hasOption(field, fieldOption) ? getOption(field, fieldOption) : undefined;
}

/** Whether a field that is not set breaks its rules. */
function hasNoZero(field: DescField): boolean {
  const rules = rulesOf(field);
  if (rules?.required) return true;
  const { type } = rules as NonNullable<Rules>;
  if (type.case === "string") return type.value.minLen > 0n || type.value.wellKnown.case !== undefined;
  if (type.case === "int32" || type.case === "int64") return Number(type.value.greaterThan.value ?? 0) > 0;
  if (type.case === "enum") return type.value.notIn.includes(0);
  return type.case === "repeated" && type.value.minItems > 0n;
}

function fieldOf(field: DescField, depth: number): fc.Arbitrary<unknown> {
  const rules = rulesOf(field);
  if (field.fieldKind === "list") {
    const repeated = rules?.type.case === "repeated" ? rules.type.value : undefined;
    const item = singular(field, repeated?.items, depth);
    const max = Number(repeated?.maxItems ?? 0);
    const usual = fc.array(item, { minLength: Number(repeated?.minItems ?? 0), maxLength: 2 });
    // What is long is one item again and again.
    const wild = fc.tuple(item, fc.constantFrom(0, max, max + 1)).map(([one, n]) => Array(n).fill(one));
    return max > 1000 && depth > 0 ? usual : mostly(usual, wild);
  }
  if (field.fieldKind === "map") {
    const map = rules?.type.case === "map" ? rules.type.value : undefined;
    const key = scalar(field.mapKey, map?.keys) as fc.Arbitrary<string>;
    const value = field.mapKind === "scalar" ? scalar(field.scalar, map?.values) : singular(field, map?.values, depth);
    const many = fc
      .tuple(value, fc.constantFrom(20, 21, 50, 51))
      .map(([one, n]) => Object.fromEntries(Array.from({ length: n }, (_, k) => [`k${k}`, one])));
    return mostly(fc.dictionary(key, value, { maxKeys: 2 }), many);
  }
  return singular(field, rules, depth);
}

function singular(field: DescField, rules: Rules, depth: number): fc.Arbitrary<unknown> {
  if (field.message !== undefined) {
    switch (field.message.typeName) {
      case "google.protobuf.Struct":
        return fc.dictionary(fc.string({ maxLength: 3 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 2 });
      case "google.protobuf.Value":
        return fc.constantFrom({ kind: { case: "stringValue", value: "x" } }, { kind: { case: undefined } });
      case "google.protobuf.Duration":
      case "google.protobuf.Timestamp":
        return mostly(fc.constantFrom({ seconds: 0n, nanos: 0 }, { seconds: 86_400n, nanos: 0 }), times);
      default:
        return depth > 3 ? fc.constant(create(field.message)) : arbitraryMessage(field.message, depth + 1);
    }
  }
  if (field.enum !== undefined) {
    const values = fc.constantFrom(...field.enum.values.map(({ number }) => number).slice(1));
    return mostly(values, fc.integer({ min: -1, max: 12 }));
  }
  return scalar(field.scalar as ScalarType, rules);
}

function scalar(type: ScalarType, rules: Rules): fc.Arbitrary<unknown> {
  const range = rules?.type.value as { greaterThan?: { value?: unknown }; lessThan?: { value?: unknown } } | undefined;
  const [min, max] = [Number(range?.greaterThan?.value ?? -(2 ** 31)), Number(range?.lessThan?.value ?? 2 ** 31 - 1)];
  const within = fc.constantFrom(min, max, Math.max(min, 0), Math.min(min + 1, max));
  switch (type) {
    case ScalarType.STRING: {
      const isUuid = rules?.type.case === "string" && rules.type.value.wellKnown.case === "uuid";
      const max = rules?.type.case === "string" ? Number(rules.type.value.maxLen) : 0;
      return mostly(isUuid ? fc.constant(uuid) : fc.constantFrom("a", "key", "x".repeat(max || 1)), texts);
    }
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.INT64:
      return mostly(within, numbers).map((value) => BigInt(value as number));
    case ScalarType.DOUBLE:
      return mostly(within, fc.oneof(numbers, fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 0.5, 0.99)));
    case ScalarType.INT32:
      return mostly(within, numbers);
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 3 });
    default:
      throw new Error(`the contract has a scalar of a type that this does not make: ${ScalarType[type]}`);
  }
}
