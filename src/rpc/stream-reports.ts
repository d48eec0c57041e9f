import { create } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type { ItemResult } from "../commands/report-tasks.ts";
import { invalidField, MillpondError } from "../domain/errors.ts";
import type { StreamReportsRequest, StreamReportsResponse } from "../gen/millpond/v1/task_service_pb.ts";
import { StreamReportsResponseSchema } from "../gen/millpond/v1/task_service_pb.ts";
import { CallGroups } from "../lib/call-groups.ts";
import { encodeItemResult } from "../wire/report.ts";
import { answersWhenStopping, streamIdleMs } from "./bidi-streams.ts";
import { type ReadReports, readReports, takeReadReports } from "./reports.ts";
import { namesOf, type RpcDeps } from "./rpc-deps.ts";
import { pipeline } from "./stream-pipeline.ts";

const unansweredMax = 64;
const unansweredBytesMax = 16 * 1024 * 1024;
const reportsPerCallMax = 2_000;
const never = 2_147_483_647;

/**
 * StreamReports: takes reports as ReportTasks does, and acknowledges each message in its order. Those of one stream that come while others of it are being written
 * are written next, together: one after the other, so that two reports on a task take effect in their order.
 */
export async function* streamReports(
  deps: RpcDeps,
  requests: AsyncIterable<StreamReportsRequest>,
  { signal }: Pick<HandlerContext, "signal">,
): AsyncGenerator<StreamReportsResponse> {
  const line = new ReportLine(deps);
  let last: bigint | undefined;
  const take = async (request: StreamReportsRequest) => {
    const { sequence } = request;
    if (last !== undefined && sequence <= last) {
      throw invalidField("sequence", `is ${sequence}; the message before has ${last}, and each has a greater one`);
    }
    last = sequence;
    return { sequence, results: await line.take(request) };
  };
  const options = { signal, take, unansweredMax, answersAfter: answersWhenStopping, idleMs: streamIdleMs };
  let acknowledgedSequence: bigint | undefined;
  for await (const answers of pipeline(requests, { ...options, room: () => line.room() })) {
    for (const { sequence, results } of answers) {
      acknowledgedSequence = sequence;
      const names = await namesOf(
        deps,
        results.flatMap((result) => result.state ?? []),
      );
      yield create(StreamReportsResponseSchema, {
        acknowledgedSequence,
        results: results.map((result) => encodeItemResult(result, names)),
      });
    }
    if (answers.length === 0 && acknowledgedSequence !== undefined) {
      yield create(StreamReportsResponseSchema, { acknowledgedSequence });
    }
  }
}

/** ReportLine writes the messages of one stream. */
class ReportLine {
  readonly #deps: RpcDeps;
  readonly #groups: CallGroups<ReadReports, ItemResult[]>;
  #bytes = 0;
  #room: PromiseWithResolvers<void> | undefined;

  constructor(deps: RpcDeps) {
    this.#deps = deps;
    this.#groups = new CallGroups<ReadReports, ItemResult[]>({
      ...{ inFlightMax: 1, patienceMs: never, slowMax: 0, waitingMax: unansweredMax },
      overflow: () => new MillpondError("LIMIT_EXCEEDED", "too many messages wait for an answer"),
      isOneToBlame: () => false,
      begin: beginCall,
      run: (parts) => this.#write(parts),
    });
  }

  /** Resolves when there is room for another message; undefined: there is. */
  room(): Promise<void> | undefined {
    if (this.#bytes < unansweredBytesMax) return undefined;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  async take({ reports, brief }: StreamReportsRequest): Promise<ItemResult[]> {
    const read = readReports(this.#deps, reports, brief);
    this.#bytes += read.bytes;
    try {
      return await this.#groups.submit(read);
    } finally {
      this.#bytes -= read.bytes;
      this.#room?.resolve();
      this.#room = undefined;
    }
  }

  async #write(parts: readonly ReadReports[]): Promise<ItemResult[][]> {
    const results = await takeReadReports(this.#deps, {
      items: parts.flatMap(({ items }) => items),
      brief: parts[0]?.brief ?? false,
    });
    let from = 0;
    return parts.map(({ items }) => {
      from += items.length;
      return results.slice(from - items.length, from);
    });
  }
}

/** What is asked of the results is asked of all of a call. */
function beginCall() {
  let [reports, brief] = [0, undefined as boolean | undefined];
  return {
    add(read: ReadReports): boolean {
      reports += read.items.length;
      brief ??= read.brief;
      return reports <= reportsPerCallMax && brief === read.brief;
    },
  };
}
