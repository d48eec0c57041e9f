import type { Migration } from "@mikro-orm/migrations";

/** A migration, and the name under which databases remember it. */
export interface NamedMigration {
  readonly name: string;
  /** Loads its class, with the library that applies it: servers with nothing to apply do without. */
  readonly load: () => Promise<new (...arguments_: ConstructorParameters<typeof Migration>) => Migration>;
}

/** Every migration of this server, in the order in which they are applied. Names and order never change. */
export const migrations: readonly NamedMigration[] = [
  { name: "0001-core", load: async () => (await import("./0001-core.ts")).Core },
  { name: "0002-engine", load: async () => (await import("./0002-engine.ts")).EngineMigration },
  { name: "0003-speed", load: async () => (await import("./0003-speed.ts")).SpeedMigration },
  { name: "0004-lean", load: async () => (await import("./0004-lean.ts")).LeanMigration },
  { name: "0005-rules", load: async () => (await import("./0005-rules.ts")).RulesMigration },
  { name: "0006-flow-control", load: async () => (await import("./0006-flow-control.ts")).FlowControlMigration },
  { name: "0007-logs", load: async () => (await import("./0007-logs.ts")).LogsMigration },
  { name: "0008-counts", load: async () => (await import("./0008-counts.ts")).CountsMigration },
  { name: "0009-workers", load: async () => (await import("./0009-workers.ts")).WorkersMigration },
  { name: "0010-event-floor", load: async () => (await import("./0010-event-floor.ts")).EventFloorMigration },
  { name: "0011-webhooks", load: async () => (await import("./0011-webhooks.ts")).WebhooksMigration },
  { name: "0012-event-change", load: async () => (await import("./0012-event-change.ts")).EventChangeMigration },
  { name: "0013-hops", load: async () => (await import("./0013-hops.ts")).HopsMigration },
  {
    name: "0014-rules-at-create",
    load: async () => (await import("./0014-rules-at-create.ts")).RulesAtCreateMigration,
  },
  { name: "0015-shared-specs", load: async () => (await import("./0015-shared-specs.ts")).SharedSpecsMigration },
  { name: "0016-hand-over", load: async () => (await import("./0016-hand-over.ts")).HandOverMigration },
  {
    name: "0017-claims-and-waits",
    load: async () => (await import("./0017-claims-and-waits.ts")).ClaimsAndWaitsMigration,
  },
  { name: "0018-rows-by-array", load: async () => (await import("./0018-rows-by-array.ts")).RowsByArrayMigration },
  { name: "0019-kept-answers", load: async () => (await import("./0019-kept-answers.ts")).KeptAnswersMigration },
  { name: "0020-ready-runs", load: async () => (await import("./0020-ready-runs.ts")).ReadyRunsMigration },
];
