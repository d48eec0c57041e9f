import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { ConnectRouter, ServiceImpl } from "@connectrpc/connect";
import { MillpondError } from "../domain/errors.ts";
import { BatchService } from "../gen/millpond/v1/batch_service_pb.ts";
import { DeliveryService } from "../gen/millpond/v1/delivery_service_pb.ts";
import { EventService } from "../gen/millpond/v1/event_service_pb.ts";
import { TaskService } from "../gen/millpond/v1/task_service_pb.ts";
import { WorkerService } from "../gen/millpond/v1/worker_service_pb.ts";
import { createBatchService } from "./batch-service.ts";
import { createDeliveryService } from "./delivery-service.ts";
import { createEventService } from "./event-service.ts";
import type { RpcDeps } from "./rpc-deps.ts";
import { createTaskService } from "./task-service.ts";
import { createWorkerService } from "./worker-service.ts";

/** What of the contract this version does not have: the same for every server of a process. */
const unavailable = new Set<DescMethod>();

/** Whether an RPC is part of the contract, but not of this version: it answers UNIMPLEMENTED whatever it is sent. */
export function isUnavailable(method: DescMethod): boolean {
  return unavailable.has(method);
}

/** Registers every service of the contract. What this version does not have answers UNIMPLEMENTED and says so. */
export function registerServices(router: ConnectRouter, deps: RpcDeps): void {
  router.service(TaskService, complete(TaskService, createTaskService(deps)));
  router.service(BatchService, complete(BatchService, createBatchService(deps)));
  router.service(EventService, complete(EventService, createEventService(deps)));
  router.service(WorkerService, complete(WorkerService, createWorkerService(deps)));
  router.service(DeliveryService, complete(DeliveryService, createDeliveryService(deps)));
}

function complete<Service extends DescService>(
  service: Service,
  implemented: Partial<ServiceImpl<Service>>,
): ServiceImpl<Service> {
  const all: Record<string, unknown> = { ...implemented };
  for (const method of service.methods) {
    if (all[method.localName] !== undefined) continue;
    unavailable.add(method);
    all[method.localName] = () => {
      const message = `${service.typeName}/${method.name} is part of the contract, but not of this version of the server`;
      throw new MillpondError("UNIMPLEMENTED", message, { metadata: { method: `${service.typeName}/${method.name}` } });
    };
  }
  return all as ServiceImpl<Service>;
}
