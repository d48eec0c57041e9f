import { create } from "@bufbuild/protobuf";
import { type GetBatchGraphResponse, GetBatchGraphResponseSchema, LineageDirection } from "@millpond/sdk";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { type Session, withServer } from "../connection/with-server.ts";
import { printJson } from "../terminal/print-json.ts";
import { dotLines } from "./graph-dot.ts";
import { graphLines } from "./graph-text.ts";

interface Options extends ConnectionOptions {
  readonly format: "text" | "dot" | "json";
  readonly task?: string;
  readonly direction: keyof typeof directions;
}

const directions = {
  upstream: LineageDirection.UPSTREAM,
  downstream: LineageDirection.DOWNSTREAM,
  both: LineageDirection.BOTH,
} as const;

const pageSize = 1_000;

/** showGraph is what `millpond batch graph` does. */
export async function showGraph(batchId: string, options: Options): Promise<void> {
  await withServer(options, async (session) => {
    const graph = await readGraph(batchId, options, session);
    const { screen } = session;
    if (session.json || options.format === "json") return printJson(GetBatchGraphResponseSchema, graph);
    const lines = options.format === "dot" ? dotLines(graph) : graphLines(screen, graph);
    for (const line of lines) screen.line(line);
  });
}

/** All pages as one. */
async function readGraph(
  batchId: string,
  { task: taskId = "", direction }: Options,
  { client, signal }: Session,
): Promise<GetBatchGraphResponse> {
  const filter = { batchId, taskId, direction: directions[direction] };
  const whole = create(GetBatchGraphResponseSchema);
  let pageToken = "";
  do {
    const page = await client.batches.getBatchGraph({ ...filter, pageSize, pageToken }, { signal });
    whole.nodes.push(...page.nodes);
    // There may be more than a call takes arguments.
    for (const edge of page.edges) whole.edges.push(edge);
    if (pageToken === "") {
      whole.levelCount = page.levelCount;
      whole.criticalPath = page.criticalPath;
      if (page.criticalPathDuration) whole.criticalPathDuration = page.criticalPathDuration;
    }
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return whole;
}
