import { toJson } from "@bufbuild/protobuf";
import { type LogEntry, LogEntrySchema, LogLevel, listLogs } from "@millpond/sdk";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { withServer } from "../connection/with-server.ts";
import { type Screen, type Style, styled } from "../terminal/screen.ts";
import { printable } from "../terminal/text-width.ts";
import { clockTime } from "../terminal/time-text.ts";

interface Options extends ConnectionOptions {
  readonly follow?: boolean;
  readonly attempt?: number;
}

const styles: Partial<Record<LogLevel, Style>> = {
  [LogLevel.DEBUG]: "dim",
  [LogLevel.WARN]: "yellow",
  [LogLevel.ERROR]: "red",
};

/** printLogs is what `millpond task logs` does. */
export async function printLogs(taskId: string, { follow = false, attempt = 0, ...options }: Options): Promise<void> {
  await withServer(options, async ({ client, signal, screen, json, onTrouble }) => {
    if (follow) await client.tasks.getTask({ taskId }, { signal });
    for await (const entry of listLogs(client, { taskId, attempt, follow, signal, onInterrupted: onTrouble })) {
      screen.line(json ? JSON.stringify(toJson(LogEntrySchema, entry)) : logLine(screen, entry));
    }
  });
}

function logLine(screen: Screen, { logTime, level, message }: LogEntry): string {
  const name = (LogLevel[level === LogLevel.UNSPECIFIED ? LogLevel.INFO : level] ?? "").padEnd(5);
  const style = styles[level];
  const [first = "", ...rest] = message.split(/\r?\n/).map(printable);
  const indent = " ".repeat(clockTime(logTime).length + 2 + name.length + 2);
  return [
    `${clockTime(logTime)}  ${style ? styled(screen, style, name) : name}  ${first}`,
    ...rest.map((line) => indent + line),
  ].join("\n");
}
