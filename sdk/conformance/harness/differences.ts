/**
 * differences lists how a value is not what is expected, by path; empty: it is. Of an object only what is named is
 * looked at, a list must be as long, and in its order. A text that begins with `@` is a matcher: `@any`, `@absent`, `@uuid`,
 * `@matches REGEXP`. `{"@contains": [...]}` is of a list that has these items, in this order, among others.
 */
export function differences(expected: unknown, actual: unknown, path = ""): string[] {
  if (typeof expected === "string" && expected.startsWith("@")) return matcher(expected, actual, path);
  if (Array.isArray(expected)) return listDifferences(expected, actual, path);
  if (typeof expected === "object" && expected !== null) {
    const wanted = expected as Record<string, unknown>;
    if ("@contains" in wanted) return contained(wanted["@contains"] as unknown[], actual, path);
    if (typeof actual !== "object" || actual === null || Array.isArray(actual)) return [unlike(expected, actual, path)];
    return Object.entries(wanted).flatMap(([key, value]) =>
      differences(value, (actual as Record<string, unknown>)[key], path === "" ? key : `${path}.${key}`),
    );
  }
  return Object.is(expected, actual) ? [] : [unlike(expected, actual, path)];
}

function listDifferences(expected: readonly unknown[], actual: unknown, path: string): string[] {
  if (!Array.isArray(actual) || actual.length !== expected.length) return [unlike(expected, actual, path)];
  return expected.flatMap((item, index) => differences(item, actual[index], `${path}[${index}]`));
}

function contained(expected: readonly unknown[], actual: unknown, path: string): string[] {
  if (!Array.isArray(actual)) return [unlike(expected, actual, path)];
  let from = 0;
  for (const item of expected) {
    const found = actual.findIndex((each, index) => index >= from && differences(item, each).length === 0);
    if (found < 0) return [`${path || "it"} has no ${JSON.stringify(item)} in this place: ${JSON.stringify(actual)}`];
    from = found + 1;
  }
  return [];
}

function matcher(expected: string, actual: unknown, path: string): string[] {
  const [name, argument] = expected.split(/ (.*)/s);
  const holds: Readonly<Record<string, () => boolean>> = {
    "@any": () => actual !== undefined,
    "@absent": () => actual === undefined,
    "@uuid": () => typeof actual === "string" && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(actual),
    "@matches": () => typeof actual === "string" && new RegExp(argument ?? "", "s").test(actual),
  };
  const test = holds[name!];
  if (!test) throw new Error(`${expected}: there is no such matcher, but ${Object.keys(holds).join(", ")}`);
  return test() ? [] : [unlike(expected, actual, path)];
}

function unlike(expected: unknown, actual: unknown, path: string): string {
  const text = actual === undefined ? "nothing" : JSON.stringify(actual);
  return `${path || "it"} is ${text}, not ${JSON.stringify(expected)}`;
}
