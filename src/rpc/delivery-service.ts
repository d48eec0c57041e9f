import type { ServiceImpl } from "@connectrpc/connect";
import { replayDeliveries } from "../commands/replay-deliveries.ts";
import { invalidField } from "../domain/errors.ts";
import { asciiLower } from "../domain/host-key.ts";
import type { IdCodec } from "../domain/ids.ts";
import {
  type DeliveryService,
  ListDeliveriesRequestSchema,
  type ReplayDeliveriesRequest,
  ReplayDeliveriesRequestSchema,
} from "../gen/millpond/v1/delivery_service_pb.ts";
import { listDeliveries, type ReplaySelection } from "../store/deliveries.ts";
import { encodeDelivery } from "../wire/delivery.ts";
import { decodePage, encodePageToken } from "../wire/page-token.ts";
import { filtersOf } from "./list-filters.ts";
import { type RpcDeps, requestKey } from "./rpc-deps.ts";

/** The RPCs of DeliveryService that this version has. */
export function createDeliveryService(deps: RpcDeps): Partial<ServiceImpl<typeof DeliveryService>> {
  const { engine, ids } = deps;
  return {
    listDeliveries: async (request) => {
      const filters = filtersOf(ListDeliveriesRequestSchema, request);
      const filter = {
        ...{ namespaceId: engine.namespaceId, states: request.states },
        ...{ taskId: idFilter(ids, request.taskId), batchId: idFilter(ids, request.batchId) },
        ...{ triggers: request.triggers, host: request.host === "" ? undefined : asciiLower(request.host) },
      };
      const page = await listDeliveries(engine.db, filter, decodePage(request, filters));
      return {
        deliveries: page.rows.map((delivery) => encodeDelivery(delivery, ids)),
        nextPageToken: encodePageToken(page.nextBefore, filters),
      };
    },
    replayDeliveries: async (request) => {
      const command = {
        ...requestKey(ReplayDeliveriesRequestSchema, request),
        selection: selectionOf(ids, request),
      };
      return { replayedCount: await replayDeliveries(engine, command) };
    },
  };
}

/** What cannot be an id of this database selects nothing; an empty filter everything. */
function idFilter(ids: IdCodec, text: string): bigint | undefined {
  return text === "" ? undefined : (ids.decode(text) ?? -1n);
}

function selectionOf(ids: IdCodec, request: ReplayDeliveriesRequest): ReplaySelection {
  if (request.taskId !== "") return { by: "task", ids: [ids.decode(request.taskId) ?? -1n] };
  if (request.batchId !== "") return { by: "batch", ids: [ids.decode(request.batchId) ?? -1n] };
  if (request.host !== "") return { by: "host", host: asciiLower(request.host) };
  const decoded = request.deliveryIds.map((text, n) => {
    const id = ids.decode(text);
    if (id === undefined) throw invalidField(`delivery_ids[${n}]`, `there is no delivery "${text}"`);
    return id;
  });
  return { by: "id", ids: [...new Set(decoded)] };
}
