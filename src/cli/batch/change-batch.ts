import {
  type Batch,
  PauseBatchResponseSchema,
  ResumeBatchResponseSchema,
  RetryBatchResponseSchema,
  SealBatchResponseSchema,
  StopBatchResponseSchema,
} from "@millpond/sdk";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { type Session, withServer } from "../connection/with-server.ts";
import { printJson } from "../terminal/print-json.ts";
import { printBatch } from "./batch-details.ts";

interface Options extends ConnectionOptions {
  readonly reason?: string;
}

/** BatchChange is what can be done to a batch as a whole. */
export type BatchChange = "stop" | "pause" | "resume" | "seal" | "retry";

/** changeBatch is what `millpond batch stop`, `pause`, `resume`, `seal` and `retry` do. */
export async function changeBatch(change: BatchChange, batchId: string, options: Options): Promise<void> {
  await withServer(options, async (session) => {
    const { batch, text } = await call(change, { batchId, reason: options.reason ?? "" }, session);
    if (session.json) return;
    if (text !== undefined) session.screen.line(text);
    if (batch) printBatch(session.screen, batch, Date.now());
  });
}

interface Changed {
  readonly batch?: Batch | undefined;
  readonly text?: string;
}

async function call(
  change: BatchChange,
  request: { readonly batchId: string; readonly reason: string },
  { client: { batches }, signal, json }: Session,
): Promise<Changed> {
  switch (change) {
    case "stop": {
      const answer = await batches.stopBatch(request, { signal });
      if (json) printJson(StopBatchResponseSchema, answer);
      const canceled = Object.entries(answer.canceledByStatus).map(([status, count]) => `${count} ${status}`);
      return {
        batch: answer.batch,
        text: `Canceled ${canceled.join(", ") || "nothing"}; ${answer.alreadyEnded} had ended.`,
      };
    }
    case "retry": {
      const answer = await batches.retryBatch(request, { signal });
      if (json) printJson(RetryBatchResponseSchema, answer);
      return { batch: answer.batch, text: `Tasks that run again: ${answer.retriedCount}.` };
    }
    case "pause": {
      const answer = await batches.pauseBatch(request, { signal });
      if (json) printJson(PauseBatchResponseSchema, answer);
      return answer;
    }
    case "resume": {
      const answer = await batches.resumeBatch(request, { signal });
      if (json) printJson(ResumeBatchResponseSchema, answer);
      return answer;
    }
    case "seal": {
      const answer = await batches.sealBatch(request, { signal });
      if (json) printJson(SealBatchResponseSchema, answer);
      return answer;
    }
  }
}
