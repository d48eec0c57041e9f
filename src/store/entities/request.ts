import { defineEntity, p } from "@mikro-orm/postgresql";
import { bytes, json, time } from "./column-kinds.ts";

/** Request is the answer of a call with a request_id. */
export const Request = defineEntity({
  name: "Request",
  tableName: "request",
  properties: {
    namespaceId: p.integer().primary(),
    requestId: p.text().primary(),
    createTime: time(),
    bodyHash: bytes(),
    result: json(),
  },
  indexes: [{ name: "request_create_time", properties: ["createTime"] }],
});
