import { DependencyCondition, TaskStatus, UnmetPolicy } from "@millpond/sdk";
import fc from "fast-check";

/** How a task ends once a worker has it. */
export type Outcome = typeof TaskStatus.SUCCESS | typeof TaskStatus.FAILURE | typeof TaskStatus.CANCELED;

/** A task of a scenario. */
export interface PlannedTask {
  readonly name: string;
  readonly batch: string;
  readonly parents: readonly { readonly name: string; readonly condition: DependencyCondition }[];
  readonly unmetPolicy: UnmetPolicy;
  readonly join: boolean;
  readonly priority: number;
  readonly kind: number;
  readonly outcome: Outcome;
}

/** Commands of one client while nobody else does anything. Numbers choose among what there is. */
export type Command =
  | { readonly case: "cancel"; readonly targets: readonly number[] }
  | { readonly case: "stop"; readonly batch: number }
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
  readonly commands: readonly Command[];
}

/** A history to be: graphs that grow in several batches while workers execute them. */
export interface Scenario {
  readonly seed: number;
  readonly clients: number;
  readonly parts: readonly Part[];
}

const condition = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(DependencyCondition.SUCCESS, DependencyCondition.UNSPECIFIED) },
  { weight: 3, arbitrary: fc.constant(DependencyCondition.COMPLETED) },
  { weight: 2, arbitrary: fc.constant(DependencyCondition.FAILURE) },
);

const rawTask = fc.record({
  edges: fc.oneof(
    { weight: 9, arbitrary: fc.array(fc.record({ to: fc.nat(100), condition }), { maxLength: 4 }) },
    { weight: 1, arbitrary: fc.array(fc.record({ to: fc.nat(100), condition }), { minLength: 5, maxLength: 20 }) },
  ),
  unmetPolicy: fc.oneof(
    { weight: 3, arbitrary: fc.constant(UnmetPolicy.UNSPECIFIED) },
    { weight: 2, arbitrary: fc.constantFrom(UnmetPolicy.FAIL, UnmetPolicy.SKIP) },
  ),
  join: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  priority: fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: -5, max: 5 }) },
  ),
  kind: fc.nat(1),
  outcome: fc.oneof(
    { weight: 14, arbitrary: fc.constant<Outcome>(TaskStatus.SUCCESS) },
    { weight: 3, arbitrary: fc.constant<Outcome>(TaskStatus.FAILURE) },
    { weight: 1, arbitrary: fc.constant<Outcome>(TaskStatus.CANCELED) },
  ),
});

const command = fc.oneof(
  { weight: 3, arbitrary: fc.record({ case: fc.constant("claim" as const), max: fc.integer({ min: 1, max: 6 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      case: fc.constant("cancel" as const),
      targets: fc.array(fc.nat(100), { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ case: fc.constant("strays" as const), target: fc.nat(100) }) },
  { weight: 2, arbitrary: fc.record({ case: fc.constant("stop" as const), batch: fc.nat(2) }) },
);

const rawPart = fc.record({
  batch: fc.nat(2),
  whileBusy: fc.boolean(),
  rounds: fc.nat(2),
  tasks: fc.array(rawTask, { minLength: 1, maxLength: 14, size: "max" }),
  commands: fc.array(command, { maxLength: 3 }),
});

/** Scenarios of up to about forty tasks in up to three batches. */
export const scenarios: fc.Arbitrary<Scenario> = fc
  .record({
    seed: fc.integer(),
    clients: fc.integer({ min: 2, max: 5 }),
    parts: fc.array(rawPart, { minLength: 1, maxLength: 4, size: "max" }),
  })
  .map(({ seed, clients, parts }) => {
    const names: string[] = [];
    return {
      seed,
      clients,
      parts: parts.map(({ batch, tasks, ...rest }) => ({
        ...{ ...rest, batch: `batch-${batch}` },
        tasks: tasks.map(({ edges, ...task }) => {
          // Onto any task that was named before: so there are no cycles, and the order of listing is shuffled later.
          const chosen = new Map(
            names.length === 0 ? [] : edges.map((edge) => [names[edge.to % names.length] as string, edge.condition]),
          );
          const name = `task-${names.length}`;
          names.push(name);
          const parents = [...chosen].map(([parent, condition]) => ({ name: parent, condition }));
          return { ...task, name, batch: `batch-${batch}`, parents };
        }),
      })),
    };
  });
