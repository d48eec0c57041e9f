import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import type { CreateTasksResponse, NewBatchSchema } from "@millpond/sdk";
import type { SharedServer, TaskInit } from "./shared-server.ts";

/** A task of a kind with metadata, and with a matcher of that kind on each of some sets of fields. */
export function uniqueTask(kind: string, metadata: JsonObject, ...fields: string[][]) {
  return { name: "t", kind, metadata, dedupe: fields.map((each) => ({ kind, fields: each })) };
}

/** What became of each task: "new", or the place in `ids` of the task that it duplicates. */
export function fates({ tasks }: CreateTasksResponse, ids: readonly (string | undefined)[] = []): (string | number)[] {
  return tasks.map(({ deduplicated, taskId }) => (deduplicated ? ids.indexOf(taskId) : "new"));
}

/** The ids of the tasks of an answer, in its order. */
export function idsOf({ tasks }: CreateTasksResponse): string[] {
  return tasks.map(({ taskId }) => taskId);
}

interface MakeOptions {
  readonly batch?: MessageInitShape<typeof NewBatchSchema>;
  /** An open batch, instead of a new one. */
  readonly batchId?: string;
  readonly requestId?: string;
  readonly validateOnly?: boolean;
}

/** Makes the call of CreateTasks for the tests of a file. */
export function maker(server: SharedServer) {
  return (
    tasks: readonly TaskInit[],
    { batch = {}, batchId, ...rest }: MakeOptions = {},
  ): Promise<CreateTasksResponse> => {
    const target =
      batchId === undefined
        ? ({ case: "newBatch", value: batch } as const)
        : ({ case: "batchId", value: batchId } as const);
    return server.client.tasks.createTasks({ target, tasks: [...tasks], ...rest });
  };
}
