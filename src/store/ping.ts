import type { Database, Statement } from "./database.ts";

const pingStatement: Statement = { name: "ping", text: "select 1" };
const pingTimeoutMs = 2_000;

/** Tells whether the database answers, within two seconds. */
export async function pingDatabase(db: Database): Promise<{ ok: boolean; detail: string }> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("the database did not answer in time")), pingTimeoutMs);
  });
  try {
    await Promise.race([db.read(pingStatement, []), late]);
    return { ok: true, detail: "" };
  } catch (error) {
    return { ok: false, detail: (error as Error).message };
  } finally {
    clearTimeout(timer);
  }
}
