import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import type { Validator, Violation } from "@bufbuild/protovalidate";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { isUnavailable } from "../../rpc/services.ts";
import { wireError } from "../../rpc/wire-error.ts";
import { describeDecodingError } from "../describe-decoding-error.ts";

/** How many violations one answer lists. */
const violationsMax = 100;

/**
 * Refuses requests that break the bounds of the contract (`buf.validate`), each message of a stream included:
 * INVALID_ARGUMENT with reason INVALID_FIELD and a field violation by path, as in `tasks[3].name`, for the first 100.
 * RPCs that this version does not have are let through to say so: nobody is asked to mend a request that cannot work.
 */
export function validation(options: { validator: Validator }): Interceptor {
  return (next) => (request) => {
    if (isUnavailable(request.method)) return next(request);
    if (!request.stream) {
      try {
        validate(options.validator, request.method.input, request.message);
      } catch (error) {
        return Promise.reject(error);
      }
      return next(request);
    }
    return next({ ...request, message: validated(request.message, request.method.input, options.validator) });
  };
}

async function* validated(
  messages: AsyncIterable<MessageShape<DescMessage>>,
  desc: DescMessage,
  validator: Validator,
): AsyncGenerator<MessageShape<DescMessage>> {
  try {
    for await (const message of messages) {
      validate(validator, desc, message);
      yield message;
    }
  } catch (error) {
    // The messages of a stream are decoded as they are taken: here, not before the interceptors.
    if (error instanceof ConnectError) describeDecodingError(error, { input: desc });
    throw error;
  }
}

function validate(validator: Validator, desc: DescMessage, message: MessageShape<DescMessage>): void {
  const result = validator.validate(desc, message);
  if (result.kind === "invalid") throw invalidRequest(result.violations);
  if (result.kind === "error") throw result.error;
}

function invalidRequest(violations: readonly Violation[]): ConnectError {
  const listed = violations.slice(0, violationsMax).map(({ field, message, ruleId }) => ({
    field: pathToString(field),
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
