import { create } from "@bufbuild/protobuf";
import { ListWorkersResponseSchema, type Worker, WorkerState } from "@millpond/sdk";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { collectPages } from "../connection/collect-pages.ts";
import { withServer } from "../connection/with-server.ts";
import { labelsText } from "../task/task-details.ts";
import { printJson } from "../terminal/print-json.ts";
import { styled } from "../terminal/screen.ts";
import { type Column, drawRows } from "../terminal/table.ts";
import { relativeTime } from "../terminal/time-text.ts";

interface Options extends ConnectionOptions {
  readonly kind?: readonly string[];
  readonly limit: number;
  readonly pageToken?: string;
}

/** listWorkers is what `millpond worker list` does. */
export async function listWorkers(options: Options): Promise<void> {
  await withServer(options, async ({ client, signal, screen, json }) => {
    const kinds = [...(options.kind ?? [])];
    const { items, nextPageToken } = await collectPages(options.limit, options.pageToken, async (page) => {
      const answer = await client.workers.listWorkers({ kinds, ...page }, { signal });
      return { items: answer.workers, nextPageToken: answer.nextPageToken };
    });
    if (json) {
      const whole = create(ListWorkersResponseSchema, { workers: items, nextPageToken });
      return printJson(ListWorkersResponseSchema, whole);
    }
    if (items.length === 0) return screen.line("There are no such workers.");
    for (const line of drawRows(screen, columns(Date.now()), items)) screen.line(line);
    if (nextPageToken !== "") {
      screen.line(
        styled(screen, "dim", `These are the first ${items.length}; --limit ${options.limit * 10} shows more.`),
      );
    }
  });
}

function columns(nowMs: number): Column<Worker>[] {
  return [
    { title: "WORKER", text: ({ workerId }) => workerId, cutTo: 16 },
    {
      title: "STATE",
      text: ({ state }) => WorkerState[state] ?? "",
      style: ({ state }) => (state === WorkerState.DRAINING ? "yellow" : undefined),
    },
    { title: "RUNS", text: ({ running, slots }) => `${running.length} of ${slots}`, alignRight: true },
    { title: "KINDS", text: ({ kinds }) => kinds.join(", "), cutTo: 8, dropRank: 1 },
    { title: "LABELS", text: ({ labels }) => labelsText(labels), cutTo: 8, dropRank: 3 },
    { title: "CONNECTED", text: ({ connectTime }) => relativeTime(connectTime, nowMs), dropRank: 4 },
    { title: "LAST SIGN", text: ({ heartbeatTime }) => relativeTime(heartbeatTime, nowMs), dropRank: 2 },
  ];
}
