import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorReason, errorReason } from "@millpond/sdk";
import { CommandFailure } from "../command-failure.ts";
import { describeError } from "../describe-error.ts";

const probeTimeoutMs = 3_000;
/** What a server that is no Millpond, or none at all, answers to a call. */
const strangeCodes: ReadonlySet<Code> = new Set([
  ...[Code.Unavailable, Code.Unimplemented, Code.Unknown, Code.Internal, Code.NotFound, Code.InvalidArgument],
  ...[Code.PermissionDenied, Code.Unauthenticated, Code.DeadlineExceeded, Code.Aborted, Code.Canceled],
]);
/** How a connection fails where nobody listens. */
const awayCodes: ReadonlySet<string> = new Set([
  ...["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT", "UND_ERR_CONNECT_TIMEOUT"],
]);
/** What to do about a reason, where the server's message does not say it. */
const waysOut: Partial<Record<ErrorReason, string>> = {
  [ErrorReason.TASK_NOT_FOUND]: "`millpond task list` shows the tasks that there are",
  [ErrorReason.BATCH_NOT_FOUND]: "`millpond batch list` shows the batches that there are",
  [ErrorReason.UNAUTHENTICATED]: "give a token with --token or MILLPOND_TOKEN",
};

/**
 * explainFailure adds to the failure of a call what the person at the terminal can do about it. Where the call met no
 * Millpond, it asks the address once more in plain HTTP, to say who is there.
 */
export async function explainFailure(error: unknown, address: string): Promise<unknown> {
  if (!(error instanceof ConnectError)) return error;
  const reason = errorReason(error);
  if (reason === ErrorReason.UNIMPLEMENTED) return otherVersion(error, address);
  if (reason !== undefined) {
    const wayOut = waysOut[reason];
    return wayOut === undefined ? error : new CommandFailure(`${describeError(error)}; ${wayOut}`);
  }
  if (!strangeCodes.has(error.code)) return error;
  const text = causeOf(error, address);
  switch (awayCodes.has(errorCode(error)) ? "nobody" : await whoAnswers(address)) {
    case "nobody":
      return new CommandFailure(
        `no Millpond server answers at ${address} (${text}); ` +
          "start one with `millpond serve`, or name another with --address",
      );
    case "no TLS":
      return new CommandFailure(`what answers at ${address} does not speak TLS; is it http://?`);
    case "another":
      return new CommandFailure(
        `what answers at ${address} is no Millpond server (${text}); name the right one with --address or MILLPOND_ADDRESS`,
      );
    case "millpond":
      if (error.code === Code.Unimplemented) return otherVersion(error, address);
      return new CommandFailure(
        `the Millpond server at ${address} could not be spoken to by gRPC (${text}); ` +
          "does a proxy in between let no HTTP/2 through?",
      );
  }
}

/** A Millpond that does not know the call, or not yet. */
function otherVersion(error: ConnectError, address: string): CommandFailure {
  return new CommandFailure(
    `the Millpond server at ${address} does not know what this command asks of it (${causeOf(error, address)}): it is of an ` +
      "older version; bring it up to that of this command (`millpond --version`), or name another server with --address",
  );
}

/** What the call met, on one line, without the address and the guess of the client library: here it is known who answers. */
function causeOf({ rawMessage }: ConnectError, address: string): string {
  const text = rawMessage.replace(/\s+/g, " ").trim();
  return text.replace(`${address}: `, "").replace(/; is this the address of a Millpond server\?.*$/, "");
}

/** Who listens, by the answer to a small call in JSON over HTTP/1.1. */
async function whoAnswers(address: string): Promise<"nobody" | "no TLS" | "another" | "millpond"> {
  try {
    const answer = await fetch(`${address}/millpond.v1.TaskService/ListTasks`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"pageSize":1}',
      redirect: "manual",
      signal: AbortSignal.timeout(probeTimeoutMs),
    });
    return isOfMillpond(await answer.json()) ? "millpond" : "another";
  } catch (error) {
    if (error instanceof DOMException && error.name === "TimeoutError") return "nobody";
    const code = error instanceof Error ? errorCode(error) : "";
    if (code === "ERR_SSL_WRONG_VERSION_NUMBER") return "no TLS";
    // Whoever lets connect and then says what is no JSON, or no HTTP, is somebody else.
    return awayCodes.has(code) ? "nobody" : "another";
  }
}

/** Whether it is what Millpond answers to ListTasks: a page of tasks, or an error whose details name it as their domain. */
function isOfMillpond(json: unknown): boolean {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return false;
  const names = Object.keys(json);
  if (!("code" in json)) return names.every((name) => name === "tasks" || name === "nextPageToken");
  const details: unknown = "details" in json ? json.details : undefined;
  return (
    Array.isArray(details) && details.some((detail) => Buffer.from(`${detail?.value}`, "base64").includes("millpond"))
  );
}

/** The code of the error of Node.js that is behind another one. */
function errorCode(error: Error): string {
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) {
    if ("code" in cause && typeof cause.code === "string") return cause.code;
  }
  return "";
}
