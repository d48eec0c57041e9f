import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { type Path, pathToString, type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import type { Validator, Violation } from "@bufbuild/protovalidate";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { invalidField, MillpondError } from "../../domain/errors.ts";
import { toConnectError } from "../../rpc/errors.ts";
import { isUnavailable } from "../../rpc/services.ts";
import { wireError } from "../../rpc/wire-error.ts";
import { type ClearlyValid, createClearlyValid } from "../clearly-valid.ts";
import { describeDecodingError } from "../describe-decoding-error.ts";
import { type HeldItems, heldItemsKey } from "../held-items.ts";

/** The quick check, which knows what is valid, and the one that says what is not. */
interface Checks {
  readonly isClearlyValid: ClearlyValid;
  readonly validator: Validator;
}

/** How many violations one answer lists. */
const violationsMax = 100;

/**
 * Refuses requests that break the bounds of the contract (`buf.validate`), each message of a stream included:
 * INVALID_ARGUMENT with reason INVALID_FIELD and a field violation by path, as in `tasks[3].name`, for the first 100. A stream that is answered
 * once is one request in parts: the items of its lists are counted over all of its messages.
 * RPCs that this version does not have are let through to say so: nobody is asked to mend a request that cannot work.
 */
export function validation({ validator }: { validator: Validator }): Interceptor {
  const checks: Checks = { validator, isClearlyValid: createClearlyValid() };
  return (next) => (request) => {
    if (isUnavailable(request.method)) return next(request);
    if (!request.stream) {
      try {
        validate(checks, request.method.input, request.message);
      } catch (error) {
        return Promise.reject(error);
      }
      return next(request);
    }
    const { input, methodKind } = request.method;
    const isOneRequest = methodKind === "client_streaming";
    const held = request.contextValues.get(heldItemsKey);
    return next({ ...request, message: validated(request.message, { input, isOneRequest, checks, held }) });
  };
}

async function* validated(
  messages: AsyncIterable<MessageShape<DescMessage>>,
  options: { input: DescMessage; isOneRequest: boolean; checks: Checks; held: HeldItems | undefined },
): AsyncGenerator<MessageShape<DescMessage>> {
  const { input, isOneRequest, checks, held } = options;
  const before = new Map<string, number>();
  try {
    for await (const given of messages) {
      for (const message of held?.restore(given) ?? [given]) {
        validate(checks, input, message, before);
        if (isOneRequest) addItems(before, reflect(input, message));
        yield message;
      }
    }
  } catch (error) {
    // The messages of a stream are decoded as they are taken: here, not before the interceptors.
    if (error instanceof ConnectError) describeDecodingError(error, { input });
    throw isOneRequest ? counted(error, before) : error;
  }
}

/** What was refused before it was decoded, with its path in the whole request. */
function counted(error: unknown, before: ReadonlyMap<string, number>): unknown {
  if (!(error instanceof ConnectError && error.cause instanceof MillpondError)) return error;
  const [violation] = error.cause.violations;
  const [path, list, index, rest] = /^(\w+)\[(\d+)\](.*)$/.exec(violation?.field ?? "") ?? [];
  if (violation === undefined || path === undefined) return error;
  const field = `${list}[${Number(index) + (before.get(list ?? "") ?? 0)}]${rest}`;
  return toConnectError(invalidField(field, violation.description));
}

/** Adds the lengths of a message's lists to those of the messages before. */
function addItems(before: Map<string, number>, message: ReflectMessage): void {
  for (const field of message.fields) {
    if (field.fieldKind === "list") before.set(field.name, (before.get(field.name) ?? 0) + message.get(field).size);
  }
}

function validate(
  { validator, isClearlyValid }: Checks,
  desc: DescMessage,
  message: MessageShape<DescMessage>,
  before: ReadonlyMap<string, number> = new Map(),
): void {
  if (isClearlyValid(desc, message)) return;
  const result = validator.validate(desc, message);
  if (result.kind === "invalid") throw invalidRequest(result.violations, before);
  if (result.kind === "error") throw result.error;
}

/** The path of a violation in the whole request: the first index counts on from the messages before. */
function pathOf(path: Path, before: ReadonlyMap<string, number>): string {
  const [list, item, ...rest] = path;
  if (list?.kind !== "field" || item?.kind !== "list_sub") return pathToString(path);
  return pathToString([list, { kind: "list_sub", index: item.index + (before.get(list.name) ?? 0) }, ...rest]);
}

function invalidRequest(violations: readonly Violation[], before: ReadonlyMap<string, number>): ConnectError {
  const listed = violations.slice(0, violationsMax).map(({ field, message, ruleId }) => ({
    field: pathOf(field, before),
    description: message === "" ? ruleId : message,
  }));
  const first = listed[0];
  const where = first === undefined || first.field === "" ? "" : `${first.field}: `;
  const more = violations.length > 1 ? ` (and ${violations.length - 1} more)` : "";
  return wireError(Code.InvalidArgument, `${where}${first?.description ?? "the request is not valid"}${more}`, {
    reason: "INVALID_FIELD",
    violations: listed,
  });
}
