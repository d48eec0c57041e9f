import { MillpondError } from "../domain/errors.ts";
import type { Database, Statement } from "./database.ts";

const addShapesStatement: Statement = {
  name: "add_dedupe_shapes",
  text: "select mp_add_dedupe_shapes($1, $2, $3)",
};
const shapesStatement: Statement = {
  name: "dedupe_shapes",
  text: 'select id, kind, fields, filled_below "filledBelow" from dedupe_shape where namespace_id = $1',
};
const fillShapeStatement: Statement = {
  name: "fill_dedupe_shape",
  text: 'select mp_fill_dedupe_shape($1, $2) "filledBelow"',
};

/** How many older tasks one step makes findable by a new shape. */
const fillStep = 10_000;
/** Sets of fields that matchers of a namespace may compare, over all kinds. */
const shapesMax = 1_000;

/** What matchers compare: some fields of the metadata of a kind, sorted. */
export interface Shape {
  readonly kind: string;
  readonly fields: readonly string[];
}

/** The dictionary of shapes of deduplication, cached: it only ever grows. */
export class DedupeShapes {
  readonly #db: Database;
  readonly #ids = new Map<string, number>();

  constructor(db: Database) {
    this.#db = db;
  }

  /**
   * The ids of shapes, made where they are missing; in the order asked for. A new one is usable when every task that exists can be found by it: about ten
   * seconds for a million; where the caller does not wait so long, the next one goes on. Fails with LIMIT_EXCEEDED.
   */
  async intern(namespaceId: number, shapes: readonly Shape[]): Promise<number[]> {
    const keys = shapes.map((shape) => shapeKey(namespaceId, shape));
    const missing = new Map(
      shapes.flatMap((shape, n) => (this.#ids.has(keys[n] as string) ? [] : [[keys[n] as string, shape] as const])),
    );
    if (missing.size > 0) await this.#make(namespaceId, missing);
    return keys.map((key) => this.#ids.get(key) as number);
  }

  async #make(namespaceId: number, missing: ReadonlyMap<string, Shape>): Promise<void> {
    let known = await this.#load(namespaceId);
    const unknown = [...missing].filter(([key]) => !known.has(key)).map(([, shape]) => shape);
    if (known.size + unknown.length > shapesMax) throw tooManyShapes();
    if (unknown.length > 0) {
      await this.#db.write(addShapesStatement, [
        namespaceId,
        unknown.map((shape) => shape.kind),
        unknown.map((shape) => textArray(shape.fields)),
      ]);
      known = await this.#load(namespaceId);
    }
    for (const key of missing.keys()) {
      const { id, filledBelow } = known.get(key) as ShapeRow;
      for (let below = filledBelow; below > 0n; ) {
        const [row] = await this.#db.write<{ filledBelow: bigint }>(fillShapeStatement, [id, fillStep]);
        below = row?.filledBelow ?? 0n;
      }
      this.#ids.set(key, id);
    }
  }

  async #load(namespaceId: number): Promise<Map<string, ShapeRow>> {
    const rows = await this.#db.read<ShapeRow>(shapesStatement, [namespaceId]);
    return new Map(rows.map((row) => [shapeKey(namespaceId, row), row]));
  }
}

interface ShapeRow extends Shape {
  readonly id: number;
  readonly filledBelow: bigint;
}

function shapeKey(namespaceId: number, { kind, fields }: Shape): string {
  return JSON.stringify([namespaceId, kind, fields]);
}

/** An array of texts as PostgreSQL reads it. */
function textArray(items: readonly string[]): string {
  return `{${items.map((item) => `"${item.replaceAll(/["\\]/g, "\\$&")}"`).join(",")}}`;
}

function tooManyShapes(): MillpondError {
  const message = `matchers compare ${shapesMax} different sets of fields and kinds already; use the fields of another matcher`;
  return new MillpondError("LIMIT_EXCEEDED", message, { metadata: { limit: String(shapesMax) } });
}
