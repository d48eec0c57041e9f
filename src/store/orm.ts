import { MikroORM, type Options } from "@mikro-orm/postgresql";
import pg from "pg";
import { entities } from "./entities/entities.ts";

const connectionsMax = 2;

/**
 * openOrm answers MikroORM for administrative resources and simple reads; the hot statements have the connections of `Database`.
 * It connects when it is first used. The caller closes it, and forks its entity manager for each piece of work. Whoever calls this imports the
 * module when there is something to do: a server that has started has not loaded it.
 */
export function openOrm(url: string, options: Options = {}): MikroORM {
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
    ...options,
  });
}
