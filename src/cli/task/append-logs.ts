import { createInterface } from "node:readline";
import { create } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import {
  type AppendLogsResponse,
  AppendLogsResponseSchema,
  type LogEntry,
  LogEntrySchema,
  LogLevel,
} from "@millpond/sdk";
import type { ConnectionOptions } from "../connection/client-command.ts";
import { type Session, withServer } from "../connection/with-server.ts";
import type { logLevelNames } from "../input/task-options.ts";
import { printJson } from "../terminal/print-json.ts";
import { LogSender } from "./log-sender.ts";

interface Options extends ConnectionOptions {
  readonly attempt?: number;
  readonly level: (typeof logLevelNames)[number];
}

/** A longer line becomes several: the contract's bound, in characters. */
const lineParts = /[\s\S]{1,16384}/gu;

/** appendLogs is what `millpond task append-logs` does: appends the messages, or without any each line of standard input as it comes. */
export async function appendLogs(taskId: string, messages: readonly string[], options: Options): Promise<void> {
  const { attempt = 0, level } = options;
  await withServer(options, async (session) => {
    const { client, signal } = session;
    const tell = answerTeller(session);
    const sender = new LogSender(async (entries) => {
      tell(await client.workers.appendLogs({ taskId, attempt, entries }, { signal }));
    });
    const lines = messages.length > 0 ? messages : linesOfInput(AbortSignal.any([signal, sender.failed]));
    for await (const line of lines) {
      for (const entry of entriesOf(line, LogLevel[level])) await sender.add(entry);
    }
    await sender.end();
  });
}

function linesOfInput(signal: AbortSignal): AsyncIterable<string> {
  return createInterface({ input: process.stdin, signal });
}

/** A NUL, which no text of the contract may hold, becomes its picture. */
function entriesOf(line: string, level: LogLevel): LogEntry[] {
  const parts = line.replaceAll("\0", "\u2400").match(lineParts) ?? [""];
  return parts.map((message) => create(LogEntrySchema, { message, level, logTime: timestampNow() }));
}

/** Prints each answer as JSON, or for people says once what they have to know. */
function answerTeller({ json }: Session): (answer: AppendLogsResponse) => void {
  const told = new Set<string>();
  const tellOnce = (text: string) => {
    if (!told.has(text)) process.stderr.write(`millpond: ${text}\n`);
    told.add(text);
  };
  return (answer) => {
    if (json) return printJson(AppendLogsResponseSchema, answer);
    if (answer.truncated) tellOnce("the log is at the server's bound: lines were dropped");
    if (answer.cancelRequested) tellOnce("the task is to stop: it was canceled, or its attempt has timed out");
  };
}
