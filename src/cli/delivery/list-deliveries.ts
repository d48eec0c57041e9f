import { create } from "@bufbuild/protobuf";
import { type Delivery, DeliveryState, DeliveryTrigger, ListDeliveriesResponseSchema } from "@millpond/sdk";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { collectPages } from "../connection/collect-pages.ts";
import { withServer } from "../connection/with-server.ts";
import type { deliveryStateNames, deliveryTriggerNames } from "../input/task-options.ts";
import { printJson } from "../terminal/print-json.ts";
import { type Style, styled } from "../terminal/screen.ts";
import { type Column, drawRows } from "../terminal/table.ts";
import { relativeTime } from "../terminal/time-text.ts";

interface Options extends ConnectionOptions {
  readonly task?: string;
  readonly batch?: string;
  readonly state?: readonly (typeof deliveryStateNames)[number][];
  readonly host?: string;
  readonly trigger?: readonly (typeof deliveryTriggerNames)[number][];
  readonly limit: number;
  readonly pageToken?: string;
}

/** listDeliveries is what `millpond delivery list` does. */
export async function listDeliveries(options: Options): Promise<void> {
  await withServer(options, async ({ client, signal, screen, json }) => {
    const filter = {
      taskId: options.task ?? "",
      batchId: options.batch ?? "",
      host: options.host ?? "",
      states: (options.state ?? []).map((name) => DeliveryState[name]),
      triggers: (options.trigger ?? []).map((name) => DeliveryTrigger[name]),
    };
    const { items, nextPageToken } = await collectPages(options.limit, options.pageToken, async (page) => {
      const answer = await client.deliveries.listDeliveries({ ...filter, ...page }, { signal });
      return { items: answer.deliveries, nextPageToken: answer.nextPageToken };
    });
    if (json) {
      const whole = create(ListDeliveriesResponseSchema, { deliveries: items, nextPageToken });
      return printJson(ListDeliveriesResponseSchema, whole);
    }
    if (items.length === 0) return screen.line("There are no such deliveries.");
    for (const line of drawRows(screen, columns(Date.now()), items)) screen.line(line);
    if (nextPageToken !== "") {
      screen.line(
        styled(screen, "dim", `These are the newest ${items.length}; --limit ${options.limit * 10} shows more.`),
      );
    }
  });
}

function columns(nowMs: number): Column<Delivery>[] {
  return [
    { title: "DELIVERY", text: ({ deliveryId }) => deliveryId },
    { title: "STATE", text: ({ state }) => DeliveryState[state] ?? "", style: ({ state }) => stateStyle(state) },
    { title: "TELLS OF", text: ({ trigger }) => DeliveryTrigger[trigger] ?? "", dropRank: 3 },
    { title: "TRIES", text: ({ attemptCount }) => String(attemptCount), alignRight: true, dropRank: 4 },
    { title: "LAST ANSWER", text: lastAnswer, cutTo: 12, dropRank: 2 },
    { title: "URL", text: ({ url }) => url, cutTo: 12, dropRank: 1 },
    { title: "CREATED", text: ({ createTime }) => relativeTime(createTime, nowMs), dropRank: 5 },
    { title: "NEXT TRY", text: ({ nextAttemptTime }) => relativeTime(nextAttemptTime, nowMs), dropRank: 6 },
    { title: "TASK", text: ({ taskId }) => taskId, dropRank: 7 },
    { title: "BATCH", text: ({ batchId }) => batchId, dropRank: 8 },
  ];
}

/** The status that the receiver answered, or why it did not, or why the answer was not one of success. */
function lastAnswer({ lastStatusCode, lastError }: Delivery): string {
  const status = lastStatusCode === 0 || lastError.includes(String(lastStatusCode)) ? "" : String(lastStatusCode);
  return [status, lastError.replace(/\s*\n\s*/g, " ⏎ ")].filter((text) => text !== "").join(": ");
}

function stateStyle(state: DeliveryState): Style | undefined {
  switch (state) {
    case DeliveryState.DELIVERED:
      return "green";
    case DeliveryState.EXHAUSTED:
      return "red";
    case DeliveryState.PENDING:
    case DeliveryState.UNSPECIFIED:
      return undefined;
  }
}
