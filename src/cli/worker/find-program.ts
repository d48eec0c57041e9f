import { constants } from "node:fs";
import { access, open, stat } from "node:fs/promises";
import path from "node:path";
import { CommandFailure, exitCodes } from "../command-failure.ts";

/** How much of a file is looked at for its first line. */
const firstLineBytesMax = 256;

/**
 * findProgram is the path of a program, looked up in PATH where it is a bare name. Fails with a CommandFailure where it cannot be
 * started: better now than at each task.
 */
export async function findProgram(name: string, searchPath: string): Promise<string> {
  const isBare = !name.includes("/") && !name.includes(path.sep);
  const candidates = isBare ? searchPath.split(path.delimiter).map((folder) => path.join(folder || ".", name)) : [name];
  let notExecutable: string | undefined;
  for (const candidate of candidates) {
    const found = await look(candidate);
    if (found === "executable") {
      await checkInterpreter(candidate);
      return candidate;
    }
    if (found === "not executable") notExecutable ??= candidate;
  }
  if (notExecutable !== undefined) {
    throw misuse(`${notExecutable} cannot be started: it is not executable (chmod +x would make it so)`);
  }
  throw misuse(
    isBare
      ? `there is no program "${name}" in PATH; give its path, such as ./${name}`
      : `there is no program ${name}, seen from ${process.cwd()}`,
  );
}

async function look(file: string): Promise<"executable" | "not executable" | "nothing"> {
  try {
    if (!(await stat(file)).isFile()) return "nothing";
  } catch {
    return "nothing";
  }
  return access(file, constants.X_OK).then(
    () => "executable",
    () => "not executable",
  );
}

/** A script is started by its interpreter; where there is none, the system says of the script itself that it does not exist. */
async function checkInterpreter(file: string): Promise<void> {
  const [, interpreter] = /^#![ \t]*([^ \t\n]+)/.exec(await firstLine(file)) ?? [];
  if (interpreter === undefined || (await look(interpreter)) === "executable") return;
  const hint = interpreter.endsWith("\r") ? "; its lines end with \\r\\n, as on Windows: end them with \\n" : "";
  throw misuse(
    `${file} cannot be started: there is no interpreter ${JSON.stringify(interpreter)}, which its first line names${hint}`,
  );
}

async function firstLine(file: string): Promise<string> {
  try {
    const handle = await open(file);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(firstLineBytesMax), 0, firstLineBytesMax, 0);
    await handle.close();
    return buffer.subarray(0, bytesRead).toString("latin1");
  } catch {
    // One may start a program that one may not read.
    return "";
  }
}

function misuse(message: string): CommandFailure {
  return new CommandFailure(message, exitCodes.misuse);
}
