import { create } from "@bufbuild/protobuf";
import { ListRuleUsageResponseSchema, type RuleUsage } from "@millpond/sdk";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { collectPages } from "../connection/collect-pages.ts";
import { withServer } from "../connection/with-server.ts";
import { printJson } from "../terminal/print-json.ts";
import { styled } from "../terminal/screen.ts";
import { type Column, drawRows } from "../terminal/table.ts";
import { relativeTime } from "../terminal/time-text.ts";
import { ruleText } from "./rule-text.ts";

interface Options extends ConnectionOptions {
  readonly batch?: string;
  readonly kind?: string;
  readonly limit: number;
  readonly pageToken?: string;
}

/** listRuleUsage is what `millpond rule usage` does. */
export async function listRuleUsage(options: Options): Promise<void> {
  await withServer(options, async ({ client, signal, screen, json }) => {
    const filter = { batchId: options.batch ?? "", kind: options.kind ?? "" };
    const { items, nextPageToken } = await collectPages(options.limit, options.pageToken, async (page) => {
      const answer = await client.batches.listRuleUsage({ ...filter, ...page }, { signal });
      return { items: answer.usages, nextPageToken: answer.nextPageToken };
    });
    if (json) {
      const whole = create(ListRuleUsageResponseSchema, { usages: items, nextPageToken });
      return printJson(ListRuleUsageResponseSchema, whole);
    }
    if (items.length === 0) return screen.line("No such key of a rule is in use or waited for.");
    for (const line of drawRows(screen, columns(Date.now()), items)) screen.line(line);
    if (nextPageToken !== "") {
      const text = `These are the ${items.length} with the longest queues; --limit ${options.limit * 10} shows more.`;
      screen.line(styled(screen, "dim", text));
    }
  });
}

function columns(nowMs: number): Column<RuleUsage>[] {
  return [
    { title: "KEY", text: ({ key }) => key, cutTo: 12 },
    {
      title: "IN USE",
      text: ({ inUse, limit }) => `${inUse} of ${limit}`,
      style: ({ inUse, limit }) => (inUse >= limit ? "yellow" : undefined),
      alignRight: true,
    },
    { title: "QUEUED", text: ({ queuedCount }) => String(queuedCount), alignRight: true },
    { title: "OLDEST", text: ({ oldestQueueTime }) => relativeTime(oldestQueueTime, nowMs), dropRank: 2 },
    { title: "RULE", text: ({ rule }) => (rule ? ruleText(rule) : ""), cutTo: 12, dropRank: 1 },
  ];
}
