import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { type ContextKey, createContextKey, type Transport } from "@connectrpc/connect";
import { ReportResultSchema } from "./gen/millpond/v1/report_pb.js";
import { TaskService } from "./gen/millpond/v1/task_service_pb.js";

/**
 * outcomesOnly is set on a ReportTasks call whose caller looks at what was refused only: where nothing was, the result
 * of the answer is left unset instead of a task that nobody reads.
 */
export const outcomesOnly: ContextKey<boolean> = createContextKey(false, { description: "outcomes only" });

const { reportTasks } = TaskService.method;
const reportOutcomes: typeof reportTasks = { ...reportTasks, output: withoutTasks() };

/**
 * withOutcomesOnly makes calls with {@link outcomesOnly} travel over `skipping`, a transport that skips unknown fields,
 * with a descriptor that does not know the tasks. To decode a task costs about as much as all else that a worker does
 * with an answer.
 */
export function withOutcomesOnly(transport: Transport, skipping: Transport): Transport {
  return {
    unary(method, signal, timeoutMs, header, input, contextValues) {
      if ((method as unknown) !== reportTasks || !contextValues?.get(outcomesOnly)) {
        return transport.unary(method, signal, timeoutMs, header, input, contextValues);
      }
      // The same types: the descriptor differs in what it decodes only.
      const outcomes = reportOutcomes as unknown as typeof method;
      return skipping.unary(outcomes, signal, timeoutMs, header, input, contextValues);
    },
    stream: transport.stream.bind(transport),
  };
}

function withoutTasks(): typeof reportTasks.output {
  const { task } = ReportResultSchema.field;
  const result = { ...ReportResultSchema, fields: ReportResultSchema.fields.filter((field) => field !== task) };
  const { results } = reportTasks.output.field;
  const lean = { ...results, message: result as DescMessage } as DescField;
  const replace = <T>(all: readonly T[]) => all.map((each) => ((each as unknown) === results ? (lean as T) : each));
  return {
    ...reportTasks.output,
    fields: replace(reportTasks.output.fields),
    members: replace(reportTasks.output.members),
  };
}
