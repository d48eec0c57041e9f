const kept = ["PATH", "LD_LIBRARY_PATH", "TMPDIR", "TEMP", "TMP", "SystemRoot"];

/**
 * postgresEnvironment is the whole environment of PostgreSQL's programs: messages in English (they are searched for
 * reasons), UTC, and nothing of the server's secrets nor of PG* variables that would change what is started.
 */
export function postgresEnvironment(): NodeJS.ProcessEnv {
  const inherited = kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  return { ...Object.fromEntries(inherited), LC_ALL: "C", TZ: "UTC" };
}
