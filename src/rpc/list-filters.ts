import { clone, type DescMessage, type JsonObject, type MessageShape, toJsonString } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { Micros } from "../domain/task.ts";
import { jsonBytesMax, structText } from "../wire/json.ts";
import { microsOf } from "../wire/time.ts";

/** The filters of a list as a text, to which its page tokens are bound. */
export function filtersOf<Desc extends DescMessage>(schema: Desc, request: MessageShape<Desc>): string {
  const filters = clone(schema, request) as MessageShape<Desc> & { pageSize: number; pageToken: string };
  filters.pageSize = 0;
  filters.pageToken = "";
  return schema.typeName + toJsonString(schema, filters as MessageShape<Desc>);
}

/** The filters that lists of tasks and of batches share. */
export function listFilter(
  request: {
    readonly statuses: readonly number[];
    readonly nameContains: string;
    readonly metadata?: JsonObject | undefined;
    readonly createdAfter?: Timestamp | undefined;
    readonly createdBefore?: Timestamp | undefined;
  },
  namespaceId: number,
): {
  namespaceId: number;
  statuses: readonly number[];
  nameContains: string;
  metadata: string | undefined;
  createdAfter: Micros | undefined;
  createdBefore: Micros | undefined;
} {
  return {
    ...{ namespaceId, statuses: request.statuses, nameContains: request.nameContains },
    metadata: structText(request.metadata, { field: "metadata", bytesMax: jsonBytesMax.metadata }) ?? undefined,
    createdAfter: request.createdAfter === undefined ? undefined : microsOf(request.createdAfter),
    createdBefore: request.createdBefore === undefined ? undefined : microsOf(request.createdBefore),
  };
}
