import { type DescField, type DescMessage, getOption, hasOption, ScalarType } from "@bufbuild/protobuf";
import { type Path, pathToString } from "@bufbuild/protobuf/reflect";
import { field as fieldOption } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { invalidField, MillpondError } from "../domain/errors.ts";

/** How a value stands on the wire. */
export type ScalarKind = "varint" | "fixed32" | "fixed64" | "bytes";

/** FieldPlan is what scans need to know of a field. */
export interface FieldPlan {
  /** Undefined: the key or the value of a map's entry. */
  readonly desc: DescField | undefined;
  readonly kind: ScalarKind | "message" | "messages" | "scalars" | "map";
  /** How a scalar, or each of a list of them, stands on the wire. */
  readonly scalar: ScalarKind;
  /** The most items that the contract allows; infinite where it does not say. */
  readonly itemsMax: number;
  /** Where its items, or those within it, are counted. The members of a oneof share one place. */
  readonly slot: number;
  /** The plan of the message, of each message of a list, or of an entry of a map. */
  readonly message: MessagePlan | undefined;
}

/** MessagePlan is what scans need to know of a message. */
export interface MessagePlan {
  readonly typeName: string;
  /** The fields by their numbers. */
  readonly byNumber: (FieldPlan | undefined)[];
  /** The fields by their names in JSON, of which each has two; undefined: its JSON is of another kind. */
  readonly byName: ReadonlyMap<string, FieldPlan> | undefined;
  /** An entry of a map: the decoder does not count it as a level. */
  readonly isEntry: boolean;
  /** How many slots its fields take. */
  readonly slots: number;
  /** Whether it has bounded lists, itself or in messages that it has one of: what comes in pieces adds up. */
  readonly hasBounds: boolean;
}

/** createMessagePlans makes the plans of messages, each once, from the bounds that the contract sets (`buf.validate`). */
export function createMessagePlans(): (desc: DescMessage) => MessagePlan {
  const plans = new Map<DescMessage, MessagePlan>();

  function planOf(desc: DescMessage): MessagePlan {
    const known = plans.get(desc);
    if (known !== undefined) return known;
    const byNumber: MessagePlan["byNumber"] = [];
    const byName = new Map<string, FieldPlan>();
    const isGoogles = desc.typeName.startsWith("google.protobuf.");
    const plan = {
      ...{ typeName: desc.typeName, byNumber, byName: isGoogles ? undefined : byName, isEntry: false },
      ...{ slots: desc.fields.length, hasBounds: hasBounds(desc) },
    };
    // A message may hold itself.
    plans.set(desc, plan);
    for (const [index, field] of desc.fields.entries()) {
      if ("delimitedEncoding" in field && field.delimitedEncoding) throw new Error(`${field} is a group`);
      const slot = field.oneof === undefined ? index : desc.fields.indexOf(field.oneof.fields[0] as DescField);
      const fieldPlan = planOfField(field, slot);
      byNumber[field.number] = fieldPlan;
      byName.set(field.name, fieldPlan).set(field.jsonName, fieldPlan);
    }
    return plan;
  }

  function planOfField(desc: DescField, slot: number): FieldPlan {
    const common = { desc, slot, itemsMax: itemsMaxOf(desc), scalar: scalarKind(desc.scalar), message: undefined };
    switch (desc.fieldKind) {
      case "message":
        return { ...common, kind: "message", message: planOf(desc.message) };
      case "list":
        return desc.listKind === "message"
          ? { ...common, kind: "messages", message: planOf(desc.message) }
          : { ...common, kind: "scalars" };
      case "map":
        return { ...common, kind: "map", message: planOfEntry(desc) };
      default:
        return { ...common, kind: common.scalar };
    }
  }

  function planOfEntry(desc: DescField & { fieldKind: "map" }): MessagePlan {
    const common = { desc: undefined, itemsMax: Number.POSITIVE_INFINITY, slot: 0, message: undefined };
    const [keyKind, valueKind] = [scalarKind(desc.mapKey), scalarKind(desc.scalar)];
    const key: FieldPlan = { ...common, kind: keyKind, scalar: keyKind };
    const value: FieldPlan =
      desc.mapKind === "message"
        ? { ...common, kind: "message", scalar: "bytes", message: planOf(desc.message) }
        : { ...common, kind: valueKind, scalar: valueKind };
    return {
      ...{ typeName: desc.toString(), byNumber: [undefined, key, value], byName: undefined, isEntry: true },
      ...{ slots: 1, hasBounds: value.message?.hasBounds ?? false },
    };
  }

  return planOf;
}

function itemsMaxOf(field: DescField): number {
  const rules = hasOption(field, fieldOption) ? getOption(field, fieldOption) : undefined;
  const max = rules?.type.case === "repeated" ? rules.type.value.maxItems : 0n;
  return field.fieldKind === "list" && max > 0n ? Number(max) : Number.POSITIVE_INFINITY;
}

function hasBounds(desc: DescMessage, seen = new Set<DescMessage>()): boolean {
  if (seen.has(desc)) return false;
  seen.add(desc);
  return desc.fields.some(
    (field) =>
      itemsMaxOf(field) < Number.POSITIVE_INFINITY || (field.fieldKind === "message" && hasBounds(field.message, seen)),
  );
}

/** How a scalar stands on the wire; undefined: an enum, which is a number. */
function scalarKind(scalar: ScalarType | undefined): ScalarKind {
  switch (scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return "bytes";
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
    case ScalarType.FLOAT:
      return "fixed32";
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
    case ScalarType.DOUBLE:
      return "fixed64";
    default:
      return "varint";
  }
}

/** The error of a list that is longer than the contract allows, in the words of protovalidate. */
export function tooManyItems(path: Path, itemsMax: number): MillpondError {
  return invalidField(pathToString(path), `must contain no more than ${itemsMax} item(s)`);
}

/** The error of a message that is made of too many parts. */
export function tooManyParts(what: string, max: number): MillpondError {
  return new MillpondError("LIMIT_EXCEEDED", `the message has more than ${max} ${what}; send less at once`, {
    metadata: { limit: String(max) },
  });
}
