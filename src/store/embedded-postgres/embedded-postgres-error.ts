/**
 * EmbeddedPostgresError is a reason why the embedded PostgreSQL cannot serve that the operator can do something about:
 * the message names the folder, the process or the file and the way out, so that it can be printed without a stack
 * trace.
 */
export class EmbeddedPostgresError extends Error {
  override readonly name = "EmbeddedPostgresError";
}
