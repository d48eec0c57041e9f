import { type DescField, type DescMessage, fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";

/** Messages nested deeper than this are not looked into. */
const depthMax = 32;

/**
 * Finds the path, as in `tasks[3].name`, of the value or key because of which `json` is not a message of this type.
 * Returns an empty path when it is the message as a whole. Each level decodes again only what lies below it, so the cost
 * is at most the depth of the message times its size.
 */
export function locateJsonError(desc: DescMessage, json: JsonValue, depth = 0): string {
  if (!isObject(json) || desc.typeName.startsWith("google.protobuf.") || depth > depthMax) return "";
  for (const [key, value] of Object.entries(json)) {
    const field = desc.fields.find((candidate) => candidate.name === key || candidate.jsonName === key);
    if (field === undefined) return key;
    if (!decodes(desc, { [key]: value })) return field.name + locateInField(desc, { key, field, value, depth });
  }
  return "";
}

function locateInField(
  desc: DescMessage,
  { key, field, value, depth }: { key: string; field: DescField; value: JsonValue; depth: number },
): string {
  switch (field.fieldKind) {
    case "list": {
      if (!Array.isArray(value)) return "";
      const index = value.findIndex((item) => !decodes(desc, { [key]: [item] }));
      return index < 0 ? "" : `[${index}]${locateInMessage(field.message, value[index], depth)}`;
    }
    case "map": {
      if (!isObject(value)) return "";
      const bad = Object.entries(value).find(([name, item]) => !decodes(desc, { [key]: { [name]: item } }));
      return bad === undefined ? "" : `[${JSON.stringify(bad[0])}]${locateInMessage(field.message, bad[1], depth)}`;
    }
    case "message":
      return locateInMessage(field.message, value, depth);
    case "scalar":
    case "enum":
      return "";
  }
}

function locateInMessage(desc: DescMessage | undefined, json: JsonValue | undefined, depth: number): string {
  const path = desc === undefined || json === undefined ? "" : locateJsonError(desc, json, depth + 1);
  return path === "" ? "" : `.${path}`;
}

function decodes(desc: DescMessage, json: JsonValue): boolean {
  try {
    fromJson(desc, json);
    return true;
  } catch {
    // Why it does not decode is already known; this only narrows down where.
    return false;
  }
}

function isObject(json: JsonValue): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
