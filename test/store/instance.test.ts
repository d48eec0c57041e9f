import { expect, test } from "vitest";
import { Database } from "../../src/store/database.ts";
import { readInstance } from "../../src/store/instance.ts";
import { createTestDatabase } from "../support/database.ts";

function open(url: string): Database {
  return new Database({ url, writers: 1, readers: 1, connectTimeoutMs: 10_000, onError: () => {} });
}

test("all servers of one database read the same secrets", async () => {
  await using database = await createTestDatabase();
  const [one, other] = [open(database.url), open(database.url)];
  try {
    const instance = await readInstance(one);
    expect(instance.uuidSalt).toBeGreaterThanOrEqual(0n);
    expect(instance.uuidSalt).toBeLessThan(1n << 60n);
    expect(instance.handleSecret).toBeInstanceOf(Buffer);
    expect(instance.handleSecret).toHaveLength(32);
    expect(await readInstance(other)).toEqual(instance);
  } finally {
    await Promise.all([one.close(), other.close()]);
  }
});
