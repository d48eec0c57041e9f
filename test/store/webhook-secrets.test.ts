import { expect, test } from "vitest";
import { WebhookSecrets } from "../../src/store/webhook-secrets.ts";

test("the secrets of a namespace are read again after ten seconds, and after a read that failed", async () => {
  const one = Buffer.alloc(32, 1);
  const two = Buffer.alloc(32, 2);
  let row: { current: Buffer; previous: Buffer | null } | Error = { current: one, previous: null };
  let reads = 0;
  let nowMs = 0;
  const db = {
    read: async () => {
      reads += 1;
      if (row instanceof Error) throw row;
      return [row];
    },
  };
  const secrets = new WebhookSecrets(db as unknown as ConstructorParameters<typeof WebhookSecrets>[0], () => nowMs);
  expect(await Promise.all([secrets.of(1), secrets.of(1)])).toEqual([[one], [one]]);
  row = { current: two, previous: one };
  nowMs = 9_999;
  expect([await secrets.of(1), reads]).toEqual([[one], 1]);
  nowMs = 10_000;
  expect(await secrets.of(1)).toEqual([two, one]);
  row = new Error("away");
  nowMs = 20_000;
  await expect(secrets.of(1)).rejects.toThrow("away");
  row = { current: two, previous: null };
  expect(await secrets.of(1)).toEqual([two]);
});
