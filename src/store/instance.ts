import type { Database, Statement } from "./database.ts";

/** What all servers of one database share. */
export interface SharedSecrets {
  /** Scrambles the ids that callers see. */
  readonly uuidSalt: bigint;
  /** Signs the handles of webhooks. */
  readonly handleSecret: Buffer;
}

const instanceStatement: Statement = {
  name: "instance",
  text: 'select uuid_salt "uuidSalt", handle_secret "handleSecret" from instance where singleton',
};

/** readInstance reads the one row of `instance`, which the first migration writes. */
export async function readInstance(db: Pick<Database, "read">): Promise<SharedSecrets> {
  const [row] = await db.read<SharedSecrets>(instanceStatement, []);
  if (row === undefined) throw new Error("the table instance has lost its row: restore it from a backup");
  return row;
}
