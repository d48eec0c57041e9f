import { type Code, ConnectError } from "@connectrpc/connect";
import type { ErrorReason, FieldViolation } from "../domain/errors.ts";
import { BadRequestSchema, ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.ts";

/** The `domain` of every ErrorInfo that this server sends. */
const errorDomain = "millpond";

/** What the server itself, rather than a service, has to say against a request. */
export interface Refusal {
  readonly reason: ErrorReason;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly violations?: readonly FieldViolation[];
}

/** Makes an error with `google.rpc.ErrorInfo` and, where fields are known, `google.rpc.BadRequest`. */
export function wireError(code: Code, message: string, refusal: Refusal): ConnectError {
  return addRefusal(new ConnectError(message, code), refusal);
}

/** Adds the details of a refusal to an error, and returns that error. */
export function addRefusal(error: ConnectError, { reason, metadata, violations = [] }: Refusal): ConnectError {
  error.details.push({ desc: ErrorInfoSchema, value: { reason, domain: errorDomain, metadata: { ...metadata } } });
  if (violations.length > 0) {
    const fieldViolations = violations.map(({ field, description }) => ({ field, description }));
    error.details.push({ desc: BadRequestSchema, value: { fieldViolations } });
  }
  return error;
}
