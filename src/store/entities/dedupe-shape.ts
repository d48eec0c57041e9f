import { defineEntity, p } from "@mikro-orm/postgresql";
import { bigint, texts } from "./column-kinds.ts";
import { Namespace } from "./namespace.ts";

/** DedupeShape is what matchers of deduplication compare: fields of the metadata of a kind. Append-only. */
export const DedupeShape = defineEntity({
  name: "DedupeShape",
  tableName: "dedupe_shape",
  properties: {
    id: p.integer().primary().generated("identity"),
    namespaceId: p
      .manyToOne(Namespace)
      .mapToPk()
      .name("namespace_id")
      .foreignKeyName("dedupe_shape_namespace_fkey")
      .updateRule("no action"),
    kind: p.text(),
    fields: texts(),
    filledBelow: bigint(),
  },
  uniques: [{ name: "dedupe_shape_natural_key", properties: ["namespaceId", "kind", "fields"] }],
});
