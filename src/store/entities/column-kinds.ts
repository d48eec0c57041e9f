import { p } from "@mikro-orm/postgresql";

// The inferred types of these builders are MikroORM's own and have no short names; writing them out would only repeat them.

/** A bigint column: bigints, never rounded. */
export const bigint = () => p.bigint("bigint");

/** A numeric column of whole numbers: texts, for they may be larger than any other kind holds. */
export const numeric = () => p.decimal("string").columnType("numeric");

/** A timestamptz column. A Date has milliseconds only: where microseconds count, read by SQL. */
export const time = () => p.datetime().columnType("timestamptz");

/** A bigint[] column. */
export const bigints = () => p.array<bigint>((item) => BigInt(item), String).columnType("bigint[]");

/** An integer[] column. */
export const integers = () => p.array<number>(Number, String).columnType("integer[]");

/** A smallint[] column. */
export const smallints = () => p.array<number>(Number, String).columnType("smallint[]");

/** A timestamptz[] column, as PostgreSQL writes the times. */
export const times = () => p.array<string>().columnType("timestamptz[]");

/** A text[] column. */
export const texts = () => p.array<string>().columnType("text[]");

/** A jsonb column that holds an object. */
export const json = () => p.json<Record<string, unknown>>();

/** A bytea column. */
export const bytes = () => p.blob().$type<Buffer>();
