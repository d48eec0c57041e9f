import { create, type JsonObject } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ListTasksResponseSchema, type Task, TaskStatus } from "@millpond/sdk";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { collectPages } from "../connection/collect-pages.ts";
import { withServer } from "../connection/with-server.ts";
import type { taskStatusNames } from "../input/task-options.ts";
import { printJson } from "../terminal/print-json.ts";
import { styled } from "../terminal/screen.ts";
import { statusStyle } from "../terminal/status-style.ts";
import { type Column, drawRows } from "../terminal/table.ts";
import { relativeTime } from "../terminal/time-text.ts";

interface Options extends ConnectionOptions {
  readonly batch?: string;
  readonly kind?: readonly string[];
  readonly status?: readonly (typeof taskStatusNames)[number][];
  readonly name?: string;
  readonly metadata?: JsonObject;
  /** In milliseconds since 1970, as `createdBefore`. */
  readonly createdAfter?: number;
  readonly createdBefore?: number;
  readonly limit: number;
  readonly pageToken?: string;
}

/** listTasks is what `millpond task list` does. */
export async function listTasks(options: Options): Promise<void> {
  await withServer(options, async ({ client, signal, screen, json }) => {
    const filter = {
      batchId: options.batch ?? "",
      kinds: [...(options.kind ?? [])],
      statuses: (options.status ?? []).map((name) => TaskStatus[name]),
      nameContains: options.name ?? "",
      ...(options.metadata !== undefined && { metadata: options.metadata }),
      ...(options.createdAfter !== undefined && { createdAfter: timestampFromMs(options.createdAfter) }),
      ...(options.createdBefore !== undefined && { createdBefore: timestampFromMs(options.createdBefore) }),
    };
    const { items, nextPageToken } = await collectPages(options.limit, options.pageToken, async (page) => {
      const answer = await client.tasks.listTasks({ ...filter, ...page }, { signal });
      return { items: answer.tasks, nextPageToken: answer.nextPageToken };
    });
    if (json)
      return printJson(ListTasksResponseSchema, create(ListTasksResponseSchema, { tasks: items, nextPageToken }));
    if (items.length === 0) return screen.line("There are no such tasks.");
    for (const line of drawRows(screen, columns(Date.now()), items)) screen.line(line);
    if (nextPageToken !== "") {
      screen.line(
        styled(screen, "dim", `These are the newest ${items.length}; --limit ${options.limit * 10} shows more.`),
      );
    }
  });
}

function columns(nowMs: number): Column<Task>[] {
  return [
    { title: "TASK", text: ({ taskId }) => taskId },
    { title: "STATUS", text: ({ status }) => TaskStatus[status] ?? "", style: ({ status }) => statusStyle(status) },
    { title: "KIND", text: ({ kind }) => kind, cutTo: 8, dropRank: 2 },
    { title: "NAME", text: ({ name }) => name, cutTo: 8, dropRank: 3 },
    { title: "KEY", text: ({ key }) => key, cutTo: 6, dropRank: 5 },
    { title: "TRY", text: ({ attempt }) => (attempt > 0 ? String(attempt) : ""), alignRight: true, dropRank: 4 },
    { title: "CREATED", text: ({ createTime }) => relativeTime(createTime, nowMs), dropRank: 6 },
    { title: "ENDED", text: ({ endTime }) => relativeTime(endTime, nowMs), dropRank: 7 },
  ];
}
