import { DependencyCondition, TaskStatus, UnmetPolicy } from "@millpond/sdk";
import fc from "fast-check";
import type { RequestedTask } from "./model-dedupe.ts";

/** How an attempt ends once a worker has it: `final` and `coded` are failures that no policy repeats. */
export type Outcome = "success" | "failure" | "final" | "coded" | "canceled";

/** A task of a scenario. */
export interface PlannedTask extends RequestedTask {
  /** How its attempts end, the first, the second, …; the last one stands for all that follow. */
  readonly outcomes: readonly Outcome[];
  /** Webhooks follow its end. */
  readonly notify: boolean;
}

/** A batch of a scenario. */
export interface PlannedBatch {
  readonly open: boolean;
  readonly paused: boolean;
  /** A webhook follows its end. */
  readonly notify: boolean;
}

/** What one client asks for. Numbers choose among what there is. */
export type Command =
  | { readonly case: "cancel" | "pause" | "resume"; readonly targets: readonly number[] }
  | { readonly case: "retry"; readonly targets: readonly number[]; readonly withDependents: boolean }
  | { readonly case: "stop" | "pauseBatch" | "resumeBatch" | "retryBatch" | "seal"; readonly batch: number }
  | { readonly case: "update"; readonly target: number; readonly priority: number }
  | { readonly case: "claim"; readonly max: number }
  | { readonly case: "strays"; readonly target: number };

/** Tasks that are created by one call, and what happens then. */
export interface Part {
  readonly batch: string;
  readonly tasks: readonly PlannedTask[];
  /** Created while workers are busy; else while nothing happens. */
  readonly whileBusy: boolean;
  /** How often each worker looks for work before the commands are given. */
  readonly rounds: number;
  /** What other clients ask for while workers are busy. */
  readonly meanwhile: readonly Command[];
  /** What is asked for while nothing else happens. */
  readonly commands: readonly Command[];
}

/** A history to be: graphs that grow in several batches while workers execute them. */
export interface Scenario {
  readonly seed: number;
  readonly clients: number;
  readonly batches: Readonly<Record<string, PlannedBatch>>;
  readonly parts: readonly Part[];
}

/** A choice among values, each with its weight. */
function weighted<T>(...choices: readonly (readonly [number, T])[]): fc.Arbitrary<T> {
  return fc.oneof(...choices.map(([weight, value]) => ({ weight, arbitrary: fc.constant(value) })));
}

const seldom = (often: number): fc.Arbitrary<boolean> => weighted<boolean>([often, false], [1, true]);

const condition = weighted(
  [3, DependencyCondition.SUCCESS],
  [2, DependencyCondition.UNSPECIFIED],
  [3, DependencyCondition.COMPLETED],
  [2, DependencyCondition.FAILURE],
);

const edge = fc.record({ to: fc.nat(100), condition });

const matcher = fc.record({
  kind: weighted([4, 0], [1, 1]),
  statuses: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    {
      weight: 2,
      arbitrary: fc.uniqueArray(
        fc.constantFrom(
          TaskStatus.PENDING,
          TaskStatus.WAITING,
          TaskStatus.RUNNING,
          TaskStatus.SUCCESS,
          TaskStatus.FAILURE,
        ),
        { minLength: 1, maxLength: 3 },
      ),
    },
  ),
  fields: weighted([4, ["x"]], [2, ["x", "y"]], [1, ["y"]]),
});

const rawTask = fc.record({
  edges: fc.oneof(
    { weight: 9, arbitrary: fc.array(edge, { maxLength: 4 }) },
    { weight: 1, arbitrary: fc.array(edge, { minLength: 5, maxLength: 20 }) },
  ),
  unmetPolicy: weighted([3, UnmetPolicy.UNSPECIFIED], [1, UnmetPolicy.FAIL], [1, UnmetPolicy.SKIP]),
  join: seldom(4),
  priority: fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: -5, max: 5 }) },
  ),
  kind: fc.nat(1),
  metadata: fc.record({ x: fc.nat(2), y: fc.nat(1) }, { requiredKeys: [] }),
  dedupe: fc.oneof(
    { weight: 6, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(matcher, { minLength: 1, maxLength: 2 }) },
  ),
  maxAttempts: weighted([3, 1], [3, 2], [1, 4]),
  outcomes: fc.array(weighted<Outcome>([9, "success"], [5, "failure"], [1, "final"], [1, "coded"], [1, "canceled"]), {
    minLength: 1,
    maxLength: 3,
  }),
  critical: seldom(8),
  onlyForDependents: seldom(5),
  notify: seldom(8),
});

const targets = fc.array(fc.nat(100), { minLength: 1, maxLength: 4 });
const aBatch = fc.nat(2);

/** What may be asked for at any time. */
const anyTime: fc.WeightedArbitrary<Command>[] = [
  { weight: 3, arbitrary: fc.record({ case: fc.constantFrom("cancel", "resume"), targets }) },
  { weight: 3, arbitrary: fc.record({ case: fc.constant("pause"), targets }) },
  { weight: 5, arbitrary: fc.record({ case: fc.constant("retry"), targets, withDependents: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ case: fc.constantFrom("pauseBatch", "resumeBatch"), batch: aBatch }) },
  { weight: 4, arbitrary: fc.record({ case: fc.constant("retryBatch"), batch: aBatch }) },
  { weight: 2, arbitrary: fc.record({ case: fc.constantFrom("stop", "seal"), batch: aBatch }) },
  {
    weight: 1,
    arbitrary: fc.record({
      case: fc.constant("update"),
      target: fc.nat(100),
      priority: fc.integer({ min: -5, max: 5 }),
    }),
  },
];

const alone: fc.WeightedArbitrary<Command>[] = [
  { weight: 4, arbitrary: fc.record({ case: fc.constant("claim"), max: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 2, arbitrary: fc.record({ case: fc.constant("strays"), target: fc.nat(100) }) },
];

const rawPart = fc.record({
  batch: aBatch,
  whileBusy: fc.boolean(),
  rounds: fc.nat(2),
  tasks: fc.array(rawTask, { minLength: 1, maxLength: 14, size: "max" }),
  meanwhile: fc.array(fc.oneof(...anyTime), { maxLength: 4, size: "max" }),
  commands: fc.array(fc.oneof(...anyTime, ...alone), { maxLength: 6, size: "max" }),
});

const batch = fc.record({ open: weighted<boolean>([4, true], [1, false]), paused: seldom(5), notify: fc.boolean() });

/** Scenarios of up to about fifty tasks in up to three batches. */
export const scenarios: fc.Arbitrary<Scenario> = fc
  .record({
    seed: fc.integer(),
    /** Some tasks are critical, or only there for their dependents: then workers are disturbed at their work. */
    policies: fc.boolean(),
    clients: fc.integer({ min: 2, max: 4 }),
    batches: fc.record({ "batch-0": batch, "batch-1": batch, "batch-2": batch }),
    parts: fc.array(rawPart, { minLength: 1, maxLength: 4, size: "max" }),
  })
  .map(({ parts, policies, ...rest }) => {
    const names: string[] = [];
    return {
      ...rest,
      parts: parts.map(({ batch, tasks, ...rest }) => ({
        ...{ ...rest, batch: `batch-${batch}` },
        tasks: tasks.map(({ edges, critical, onlyForDependents, ...task }) => {
          // Onto any task that was named before: so there are no cycles, and the order of listing is shuffled later.
          const chosen = new Map(
            names.length === 0 ? [] : edges.map((edge) => [names[edge.to % names.length] as string, edge.condition]),
          );
          const name = `task-${names.length}`;
          names.push(name);
          const parents = [...chosen].map(([parent, condition]) => ({ name: parent, condition }));
          const policed = { critical: policies && critical, onlyForDependents: policies && onlyForDependents };
          return { ...task, ...policed, name, batch: `batch-${batch}`, parents };
        }),
      })),
    };
  });
