import type { DescMessage, JsonValue } from "@bufbuild/protobuf";
import { Code, type ConnectError } from "@connectrpc/connect";
import { addRefusal } from "../rpc/wire-error.ts";
import { locateJsonError } from "./locate-json-error.ts";

/** Larger JSON bodies are not kept to find the field that could not be decoded. */
export const diagnosableBodyBytesMax = 1024 * 1024;

/**
 * Gives an error that the RPC library raised over a request the details that every error of this server has:
 * LIMIT_EXCEEDED for a message that is too large, INVALID_FIELD for one that does not decode, with the path of the field
 * where it can be told. The library calls bytes that do not decode an internal error; they are the caller's, so
 * INVALID_ARGUMENT. Errors that have details, or say something else, stay as they are.
 *
 * @param request.body the request's bytes, when it was JSON and they are at hand
 */
export function describeDecodingError(
  error: ConnectError,
  request: { input: DescMessage; body?: Uint8Array | undefined },
): void {
  if (error.details.length > 0) return;
  if (error.code === Code.ResourceExhausted) {
    const limit = /readMaxBytes (\d+)/.exec(error.rawMessage)?.[1];
    addRefusal(error, { reason: "LIMIT_EXCEEDED", metadata: limit === undefined ? {} : { limit } });
    return;
  }
  if (error.code === Code.Internal) {
    const rawMessage = `cannot decode message ${request.input.typeName}: ${error.rawMessage}`;
    Object.assign(error, { code: Code.InvalidArgument, rawMessage });
  }
  if (error.code === Code.InvalidArgument) {
    const field = fieldOf(error.rawMessage, request.input, request.body);
    const violations = field === "" ? [] : [{ field, description: error.rawMessage }];
    addRefusal(error, { reason: "INVALID_FIELD", violations });
  }
}

/** The path of the field that did not decode: found in the body, else the name that the message ends its type with. */
function fieldOf(message: string, input: DescMessage, body: Uint8Array | undefined): string {
  const json = parseJson(body);
  const path = json === undefined ? "" : locateJsonError(input, json);
  if (path !== "") return path;
  return (
    /^cannot decode field [\w.]+\.(\w+) from JSON/.exec(message)?.[1] ??
    /key "([^"]+)" is unknown$/.exec(message)?.[1] ??
    ""
  );
}

function parseJson(body: Uint8Array | undefined): JsonValue | undefined {
  if (body === undefined) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(body)) as JsonValue;
  } catch {
    // Text that is not JSON has no fields; the error says where it goes wrong.
    return undefined;
  }
}
