import path from "node:path";
import type { RunnerCommand } from "./runner-process.ts";

/** The repository's root. */
export const root = path.resolve(import.meta.dirname, "../../..");

/** Where runners are built: not in the SDKs' folders. */
export const builtFolder = path.join(root, ".tools", "conformance");

/** A command of an SDK's own tool chain. */
export interface SdkCommand {
  /** From the repository's root. */
  readonly folder: string;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Once done, it is done again only when one of these files, from the repository's root, has changed: it needs the network. */
  readonly onChangeOf?: readonly string[];
}

/** SdkLanguage is an SDK under test, and how its runner is built and started. */
export interface SdkLanguage {
  readonly name: string;
  /** The language's own type for what a call fails with, as its runner names it. */
  readonly errorType: string;
  /** What must be on the PATH: a command for each that ends with 0. */
  readonly toolChain: readonly (readonly string[])[];
  /** Makes the runner and the tour. Fetches the SDK's dependencies where they are not there yet. */
  readonly build: readonly SdkCommand[];
  readonly runner: RunnerCommand;
  readonly tour: RunnerCommand;
  /** What its own tool chain checks and tests. */
  readonly tests: readonly SdkCommand[];
}

const at = (...parts: string[]) => path.join(builtFolder, ...parts);

const goSdk: SdkLanguage = {
  name: "go",
  errorType: "millpond.Error",
  toolChain: [["go", "version"]],
  build: [{ folder: "sdk/go", command: ["go", "build", "-o", `${at("go")}/`, "./conformance", "./examples"] }],
  runner: { program: at("go", "conformance"), args: [] },
  tour: { program: at("go", "examples"), args: [] },
  tests: [
    { folder: "sdk/go", command: ["go", "vet", "./..."] },
    { folder: "sdk/go", command: ["go", "test", "./..."] },
  ],
};

const python = at("python", "bin", "python");
const pythonRunner = path.join(root, "sdk/python/conformance/runner.py");

const pythonSdk: SdkLanguage = {
  name: "python",
  errorType: "MillpondError",
  toolChain: [["python3", "--version"]],
  build: [
    { folder: ".", command: ["python3", "-m", "venv", at("python")], onChangeOf: [] },
    {
      folder: "sdk/python",
      onChangeOf: ["sdk/python/pyproject.toml"],
      command: [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--editable", ".[dev]"],
    },
  ],
  runner: { program: python, args: [pythonRunner] },
  tour: { program: python, args: [path.join(root, "sdk/python/examples/tour.py")] },
  tests: [
    { folder: "sdk/python", command: [python, "-m", "ruff", "check", "."] },
    { folder: "sdk/python", command: [python, "-m", "ruff", "format", "--check", "."] },
    { folder: "sdk/python", command: [python, "-m", "mypy"] },
    { folder: "sdk/python", command: [python, "-m", "pytest", "-q"] },
  ],
};

/** The same SDK by its other half; what its tool chain checks is checked once. */
const asyncioSdk: SdkLanguage = {
  ...pythonSdk,
  name: "python-asyncio",
  runner: { program: python, args: [pythonRunner, "--asyncio"] },
  tour: { program: python, args: [path.join(root, "sdk/python/examples/tour_asyncio.py")] },
  tests: [],
};

const rustEnv = { CARGO_TARGET_DIR: at("rust") };
const descriptors = at("millpond.binpb");

const rustSdk: SdkLanguage = {
  name: "rust",
  errorType: "Error",
  toolChain: [["cargo", "--version"]],
  build: [
    {
      folder: ".",
      command: [path.join(root, "node_modules/.bin/buf"), "build", "--path", "proto/millpond", "-o", descriptors],
    },
    {
      folder: "sdk/rust",
      command: ["cargo", "build", "--locked", "--workspace", "--examples", "--bins"],
      env: rustEnv,
    },
  ],
  runner: { program: at("rust/debug/millpond-conformance"), args: [], env: { MILLPOND_DESCRIPTORS: descriptors } },
  tour: { program: at("rust/debug/examples/tour"), args: [] },
  tests: [
    { folder: "sdk/rust", command: ["cargo", "fmt", "--check"] },
    { folder: "sdk/rust", command: ["cargo", "test", "--locked", "--workspace"], env: rustEnv },
  ],
};

const javaFolder = path.join(root, "sdk/java");
const classPathFile = path.join(javaFolder, "target/classpath.txt");

/** A class of the SDK's test sources, with what Maven says that it needs. */
function javaProgram(mainClass: string): RunnerCommand {
  const script = 'exec java -cp "$1/classes:$1/test-classes:$(cat "$2")" "$3"';
  return { program: "sh", args: ["-c", script, "java", path.join(javaFolder, "target"), classPathFile, mainClass] };
}

const javaSdk: SdkLanguage = {
  name: "java",
  errorType: "MillpondException",
  toolChain: [
    ["mvn", "--version"],
    ["java", "--version"],
  ],
  build: [
    {
      folder: "sdk/java",
      command: ["mvn", "-q", "-B", "test-compile", "dependency:build-classpath", `-Dmdep.outputFile=${classPathFile}`],
    },
  ],
  runner: javaProgram("io.millpond.conformance.Runner"),
  tour: javaProgram("io.millpond.examples.Tour"),
  tests: [{ folder: "sdk/java", command: ["mvn", "-q", "-B", "verify"] }],
};

const typescriptSdk: SdkLanguage = {
  name: "typescript",
  errorType: "ConnectError",
  toolChain: [["node", "--version"]],
  build: [],
  runner: { program: process.execPath, args: [path.join(root, "sdk/typescript/conformance/runner.ts")] },
  tour: { program: process.execPath, args: [path.join(root, "sdk/typescript/examples/tour.ts")] },
  // Its tests are among the repository's own.
  tests: [],
};

/** All of them, in the order of the table. */
export const sdkLanguages: readonly SdkLanguage[] = [typescriptSdk, goSdk, pythonSdk, asyncioSdk, rustSdk, javaSdk];

/** languagesNamed answers those languages, all where none is named. Throws for a name that is none. */
export function languagesNamed(names: readonly string[]): readonly SdkLanguage[] {
  const unknown = names.find((name) => !sdkLanguages.some((each) => each.name === name));
  if (unknown !== undefined) {
    throw new Error(`"${unknown}" is none of the languages ${sdkLanguages.map(({ name }) => name).join(", ")}`);
  }
  return names.length === 0 ? sdkLanguages : sdkLanguages.filter(({ name }) => names.includes(name));
}
