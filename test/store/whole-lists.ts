import type { DeliveryFilter } from "../../src/store/deliveries.ts";

/** Filters that leave nothing out. */
export const everything = {
  ...{ namespaceId: 1, batchId: undefined, statuses: [], queues: undefined, nameContains: "", metadata: undefined },
  ...{ createdAfter: undefined, createdBefore: undefined },
};
export const allDeliveries: DeliveryFilter = {
  namespaceId: 1,
  taskId: undefined,
  batchId: undefined,
  host: undefined,
  states: [],
  triggers: [],
};

/** The newest hundred. */
export const newestPage = { size: 100, before: undefined };
