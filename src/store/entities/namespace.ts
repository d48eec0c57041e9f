import { defineEntity, p } from "@mikro-orm/postgresql";

/** Namespace separates tenants; 1 is `default`. */
export const Namespace = defineEntity({
  name: "Namespace",
  tableName: "namespace",
  properties: {
    id: p.integer().primary().autoincrement(false),
    name: p.text(),
  },
  uniques: [{ name: "namespace_name_key", properties: ["name"] }],
});
