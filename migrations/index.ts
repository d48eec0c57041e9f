import type { Migration } from "@mikro-orm/migrations";
import { Core } from "./0001-core.ts";
import { EngineMigration } from "./0002-engine.ts";
import { SpeedMigration } from "./0003-speed.ts";

/** A migration and the name under which databases remember it. */
export interface NamedMigration {
  readonly name: string;
  readonly class: new (...arguments_: ConstructorParameters<typeof Migration>) => Migration;
}

/** Every migration of this server, in the order in which they are applied. Names and order never change. */
export const migrations: readonly NamedMigration[] = [
  { name: "0001-core", class: Core },
  { name: "0002-engine", class: EngineMigration },
  { name: "0003-speed", class: SpeedMigration },
];
