import { create, type JsonObject } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Batch, BatchStatus, ListBatchesResponseSchema } from "@millpond/sdk";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { collectPages } from "../connection/collect-pages.ts";
import { withServer } from "../connection/with-server.ts";
import type { batchStatusNames } from "../input/task-options.ts";
import { printJson } from "../terminal/print-json.ts";
import { styled } from "../terminal/screen.ts";
import { batchStatusStyle } from "../terminal/status-style.ts";
import { type Column, drawRows } from "../terminal/table.ts";
import { between, durationText, relativeTime } from "../terminal/time-text.ts";
import { statsText } from "./batch-details.ts";

interface Options extends ConnectionOptions {
  readonly status?: readonly (typeof batchStatusNames)[number][];
  readonly kind?: readonly string[];
  readonly name?: string;
  readonly metadata?: JsonObject;
  /** In milliseconds since 1970, as `createdBefore`. */
  readonly createdAfter?: number;
  readonly createdBefore?: number;
  readonly limit: number;
  readonly pageToken?: string;
}

/** listBatches is what `millpond batch list` does. */
export async function listBatches(options: Options): Promise<void> {
  await withServer(options, async ({ client, signal, screen, json }) => {
    const filter = {
      statuses: (options.status ?? []).map((name) => BatchStatus[name]),
      kinds: [...(options.kind ?? [])],
      nameContains: options.name ?? "",
      ...(options.metadata !== undefined && { metadata: options.metadata }),
      ...(options.createdAfter !== undefined && { createdAfter: timestampFromMs(options.createdAfter) }),
      ...(options.createdBefore !== undefined && { createdBefore: timestampFromMs(options.createdBefore) }),
    };
    const { items, nextPageToken } = await collectPages(options.limit, options.pageToken, async (page) => {
      const answer = await client.batches.listBatches({ ...filter, ...page }, { signal });
      return { items: answer.batches, nextPageToken: answer.nextPageToken };
    });
    if (json) {
      return printJson(ListBatchesResponseSchema, create(ListBatchesResponseSchema, { batches: items, nextPageToken }));
    }
    if (items.length === 0) return screen.line("There are no such batches.");
    for (const line of drawRows(screen, columns(Date.now()), items)) screen.line(line);
    if (nextPageToken !== "") {
      screen.line(
        styled(screen, "dim", `These are the newest ${items.length}; --limit ${options.limit * 10} shows more.`),
      );
    }
  });
}

function columns(nowMs: number): Column<Batch>[] {
  return [
    { title: "BATCH", text: ({ batchId }) => batchId },
    {
      title: "STATUS",
      text: ({ status }) => BatchStatus[status] ?? "",
      style: ({ status }) => batchStatusStyle(status),
    },
    { title: "NAME", text: ({ name }) => name, cutTo: 10, dropRank: 1 },
    { title: "TASKS", text: statsText, cutTo: 12, dropRank: 2 },
    { title: "CREATED", text: ({ createTime }) => relativeTime(createTime, nowMs), dropRank: 3 },
    {
      title: "TOOK",
      text: ({ createTime, endTime }) => {
        const ms = between(createTime, endTime);
        return ms === undefined ? "" : durationText(ms);
      },
      dropRank: 4,
    },
  ];
}
