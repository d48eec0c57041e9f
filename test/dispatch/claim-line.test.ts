import { expect, test } from "vitest";
import type { Engine } from "../../src/commands/engine.ts";
import { ClaimLine } from "../../src/dispatch/claim-line.ts";
import { Credit } from "../../src/dispatch/credit.ts";
import { WaitingWorkers } from "../../src/dispatch/waiting-workers.ts";
import { Execution } from "../../src/domain/task-status.ts";
import { GivenTasks } from "../../src/store/given-tasks.ts";

/** A line over one queue, whose claims find nothing, and the numbers of tasks that they have asked for. */
function newLine() {
  const claims: number[] = [];
  const queue = { ...{ id: 1, namespaceId: 1, kind: "a", labels: {}, host: "" }, execution: Execution.WORKER };
  const engine = {
    db: {
      write: async (_statement: unknown, [, max]: readonly unknown[]) => {
        claims.push(max as number);
        return [{ o_ids: [], o_attempts: [], o_places: [], o_more: false, o_turns: null }];
      },
    },
    turns: { of: () => null, note: () => {} },
    given: new GivenTasks(),
  } as unknown as Engine;
  const workers = new WaitingWorkers({
    dictionaries: { queuesOfKinds: () => [queue], queueCount: 1 },
    ...{ namespaceId: 1, waitersMax: 10, onChange: () => line.serve(), release: async () => {}, onHandOut: () => {} },
  });
  const onError = (error: unknown): void => {
    throw error;
  };
  const line = new ClaimLine({ engine, workers, pollMs: 60_000, onError });
  const join = (worker: number) =>
    new Credit(
      (onTasks) => workers.join({ worker, kinds: ["a"], labels: {}, leaseMs: 1_000, onTasks }),
      () => {},
    );
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  return { claims, workers, join, settled };
}

test("places that become free in one turn are looked for in one claim, both of a worker and those of others", async () => {
  const { claims, workers, join, settled } = newLine();
  const [first, second] = [join(7), join(8)];
  first.add(10);
  await settled();
  expect(claims).toEqual([10]);
  // Nobody looks at a queue that is empty, until it is marked.
  second.add(6);
  await settled();
  expect(claims).toEqual([10]);
  workers.mark([1]);
  await settled();
  expect(claims).toEqual([10, 16]);
});
