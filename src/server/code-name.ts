import { Code } from "@connectrpc/connect";

/** The name of a status code as gRPC writes it, `INVALID_ARGUMENT`; `OK` for none. */
export function codeName(code: Code | undefined): string {
  return code === undefined ? "OK" : Code[code].replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}
