import { MikroORM } from "@mikro-orm/postgresql";
import pg from "pg";
import { entities } from "./entities/entities.ts";
import { Instance } from "./entities/instance.ts";

const connectionsMax = 2;

/**
 * openOrm answers MikroORM for administrative resources and simple reads; the hot statements have the connections of `Database`.
 * It connects when it is first used. The caller closes it, and forks its entity manager for each piece of work.
 */
export function openOrm(url: string): MikroORM {
  const connection: pg.PoolConfig = {
    connectionString: url,
    application_name: "millpond orm",
    options: "-c timezone=UTC -c client_encoding=UTF8",
  };
  return new MikroORM({
    dbName: new pg.Client(connection).database ?? "",
    driverOptions: { ...connection, max: connectionsMax },
    entities,
    metadataCache: { enabled: false },
    ensureDatabase: false,
  });
}

/** What all servers of one database share. */
export interface SharedSecrets {
  /** Scrambles the ids that callers see. */
  readonly uuidSalt: bigint;
  /** Signs the handles of webhooks. */
  readonly handleSecret: Buffer;
}

/** readInstance reads the one row of `instance`, which the first migration writes. */
export async function readInstance(orm: MikroORM): Promise<SharedSecrets> {
  const { uuidSalt, handleSecret } = await orm.em.fork().findOneOrFail(Instance, { singleton: true });
  return { uuidSalt, handleSecret };
}
