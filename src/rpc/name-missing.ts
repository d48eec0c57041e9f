import { MillpondError, notFound } from "../domain/errors.ts";

/** Gives an error about a task or batch that was not found the id that the caller gave; any other stays as it is. */
export function naming<T>(error: T, id: string): T | MillpondError {
  if (!(error instanceof MillpondError)) return error;
  const { reason } = error;
  return reason === "TASK_NOT_FOUND" || reason === "BATCH_NOT_FOUND" ? notFound(reason, id) : error;
}

/** Makes a call whose failure because a task or batch was not found names it by the id that the caller gave. */
export async function nameMissing<T>(id: string, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw naming(error, id);
  }
}
