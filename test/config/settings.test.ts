import { describe, expect, test } from "vitest";
import { describeSettings, InvalidSettingsError, loadSettings, type Machine } from "../../src/config/settings.ts";

const user: Machine = { platform: "linux", isRoot: false, homeDir: "/home/ada" };

function load(env: Record<string, string>, machine = user) {
  return loadSettings(env, { machine });
}

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    load(env);
  } catch (error) {
    if (error instanceof InvalidSettingsError) return error.problems;
    throw error;
  }
  return [];
}

describe("settings", () => {
  test("have documented defaults when the environment is empty", () => {
    const { settings, warnings } = load({});
    expect(settings).toMatchObject({
      port: 8085,
      host: "127.0.0.1",
      hostUrl: undefined,
      databaseUrl: undefined,
      dataDir: "/home/ada/.local/share/millpond",
      webhookAllowLoopback: false,
      webhookTimeoutMs: 10_000,
      logLevel: "info",
      maxMessageBytes: 16 * 1024 * 1024,
      shutdownGraceMs: 10_000,
      claimWaitMaxMs: 60_000,
      rpcFastPath: true,
    });
    expect(warnings).toEqual([]);
    expect(Object.isFrozen(settings)).toBe(true);
  });

  test("read every kind of value, and count a blank variable as absent", () => {
    const { settings } = load({
      PORT: "0",
      HOST: " 0.0.0.0 ",
      HOST_URL: "https://millpond.example.com/",
      DATABASE_URL: "postgres://u:p@db:5432/x?sslmode=require",
      MILLPOND_WEBHOOK_ALLOW_LOOPBACK: "yes",
      MILLPOND_RPC_FAST_PATH: "no",
      MILLPOND_WEBHOOK_TIMEOUT: "500ms",
      MILLPOND_CLAIM_WAIT_MAX: "2m",
      MILLPOND_MAX_MESSAGE_BYTES: "4MiB",
      MILLPOND_MAX_HEADER_BYTES: "65536",
      MILLPOND_LOG_LEVEL: "",
    });
    expect(settings).toMatchObject({
      port: 0,
      host: "0.0.0.0",
      hostUrl: "https://millpond.example.com",
      databaseUrl: "postgres://u:p@db:5432/x?sslmode=require",
      webhookAllowLoopback: true,
      rpcFastPath: false,
      webhookTimeoutMs: 500,
      claimWaitMaxMs: 120_000,
      maxMessageBytes: 4 * 1024 * 1024,
      maxHeaderBytes: 65_536,
      logLevel: "info",
    });
  });

  test("name every wrong value at once, with what is accepted", () => {
    const problems = problemsOf({
      PORT: "http",
      HOST_URL: "ftp://x",
      MILLPOND_LOG_LEVEL: "loud",
      MILLPOND_CLAIM_WAIT_MAX: "99d",
    });
    expect(problems).toHaveLength(4);
    expect(problems[0]).toBe('PORT: "http" is not accepted: give a whole number from 0 to 65535');
    expect(problems[1]).toContain('HOST_URL: "ftp://x"');
    expect(problems.join()).toContain('MILLPOND_CLAIM_WAIT_MAX: "99d"');
    expect(problems.join()).toContain('MILLPOND_LOG_LEVEL: "loud" is not accepted: give one of trace, debug, info');
  });

  test("take origins of pages as browsers send them, or all of them", () => {
    const origins = (text: string) => load({ MILLPOND_CORS_ORIGINS: text }).settings.corsOrigins;
    expect(load({}).settings.corsOrigins).toEqual([]);
    expect(origins(" https://App.Example.com:443/ , http://localhost:5173,capacitor://localhost")).toEqual([
      ...["https://app.example.com", "http://localhost:5173", "capacitor://localhost"],
    ]);
    expect(origins("*")).toEqual(["*"]);
    const wrong = ["app.example.com", "https://*.example.com", "*,https://a.example", "https://a.example/path", "null"];
    for (const text of [
      ...wrong,
      "https://u@a.example",
      "https://a.example?x",
      "https://",
      "https://a b",
      "http://[::1",
    ]) {
      expect(problemsOf({ MILLPOND_CORS_ORIGINS: text }).join()).toContain(
        `${JSON.stringify(text)} is not accepted: give "*", or origins with commas between them`,
      );
    }
  });

  test("refuse a bare number as a duration and say how to write it", () => {
    expect(problemsOf({ MILLPOND_WEBHOOK_TIMEOUT: "10" })[0]).toContain('did you mean "10s" or "10ms"?');
  });

  test("never show a secret, not even a wrong one", () => {
    const [problem] = problemsOf({ DATABASE_URL: "mysql://root:hunter2@db/x" });
    expect(problem).toContain("DATABASE_URL");
    expect(problem).not.toContain("hunter2");
  });

  test("warn of unknown variables with the nearest setting", () => {
    const env = { MILLPOND_LOGLEVEL: "debug", MILLPOND_URL: "http://x", MILLPOND_ZZZZZZ: "1", OTHER: "1" };
    const { warnings } = loadSettings(env, { machine: user, alsoKnown: ["MILLPOND_URL"] });
    expect(warnings).toEqual([
      "MILLPOND_LOGLEVEL is not a setting of this version; did you mean MILLPOND_LOG_LEVEL?",
      "MILLPOND_ZZZZZZ is not a setting of this version",
    ]);
  });

  test("keep data where the machine keeps data", () => {
    expect(load({}, { ...user, isRoot: true }).settings.dataDir).toBe("/var/lib/millpond");
    expect(load({ XDG_DATA_HOME: "/data" }).settings.dataDir).toBe("/data/millpond");
    expect(load({ MILLPOND_DATA_DIR: "/srv/mp" }).settings.dataDir).toBe("/srv/mp");
    expect(load({}, { ...user, platform: "darwin" }).settings.dataDir).toBe(
      "/home/ada/Library/Application Support/millpond",
    );
  });

  test("are documented with a default that can be given back as a value", () => {
    const docs = describeSettings();
    expect(docs.find((doc) => doc.name === "MILLPOND_MAX_MESSAGE_BYTES")).toMatchObject({
      type: "bytes",
      default: "16MiB",
    });
    expect(docs.find((doc) => doc.name === "DATABASE_URL")).toMatchObject({ secret: true });
    for (const doc of docs.filter(({ default: text }) => !/[<' ]/.test(text))) {
      expect(problemsOf({ [doc.name]: doc.default })).toEqual([]);
    }
  });
});
