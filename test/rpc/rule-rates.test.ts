import { expect, test } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();

test("a full rate lets in window after window by itself, also when what it has offered fills it exactly", async () => {
  const kind = newKind();
  const rate = { count: 3, window: { seconds: 0n, nanos: 500_000_000 } };
  const rules = [{ matcher: { kind }, limit: { case: "rate" as const, value: rate } }];
  await server.client.tasks.createTasks({
    tasks: Array.from({ length: 15 }, (_, n) => ({ name: `t${n}`, kind, rules })),
  });
  const startedMicros: number[] = [];
  while (startedMicros.length < 15) {
    // No more than there is room for: nothing is refused.
    const assignments = await server.claim(kind, { max: 3, waitMs: 20_000 });
    for (const { task } of assignments) {
      startedMicros.push(Number(task?.claimTime?.seconds) * 1e6 + (task?.claimTime?.nanos ?? 0) / 1e3);
    }
    await server.succeed(...assignments);
  }
  const sorted = startedMicros.toSorted((a, b) => a - b);
  const gaps = sorted.slice(3).map((micros, n) => micros - (sorted[n] ?? 0));
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(500_000);
  await checkInvariants(server.setup.database.url);
});
