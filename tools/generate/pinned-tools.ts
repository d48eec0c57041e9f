import { spawnSync } from "node:child_process";
import { chmod, copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { repositoryRoot } from "../run-buf.ts";

/** The versions of what generates the SDKs and does not come from npm. What they made is compared byte by byte. */
const versions = {
  "protoc-gen-go": "1.36.12",
  "protoc-gen-go-grpc": "1.6.2",
  "grpcio-tools": "1.76.0",
  "protoc-gen-prost": "0.5.0",
  "protoc-gen-tonic": "0.5.0",
  protoc: "4.36.2",
  "protoc-gen-grpc-java": "1.83.0",
  "maven-dependency-plugin": "3.6.1",
} as const;

/** A language whose generators are installed with the language's own tool chain. */
export type ForeignLanguage = "go" | "python" | "rust" | "java";

/** What a language needs on the PATH before its generators can be installed. */
export const toolChains: Readonly<Record<ForeignLanguage, readonly string[]>> = {
  go: ["go", "version"],
  python: ["python3", "--version"],
  rust: ["cargo", "--version"],
  java: ["mvn", "--version"],
};

/** Whether the language's tool chain is there. */
export function hasToolChain(language: ForeignLanguage): boolean {
  const [program, ...args] = toolChains[language];
  return spawnSync(program!, args, { stdio: "ignore" }).status === 0;
}

/** Installs a language's generators, unless they are there in these versions, and answers the folder that goes on the PATH. */
export async function installTools(language: ForeignLanguage): Promise<string> {
  const home = path.join(repositoryRoot, ".tools", language);
  const bin = path.join(home, "bin");
  const stamp = path.join(home, "versions.json");
  const wanted = JSON.stringify(versions);
  if ((await readFile(stamp, "utf8").catch(() => "")) === wanted) return bin;
  console.error(`installing the generators for ${language} …`);
  await rm(home, { recursive: true, force: true });
  await mkdir(bin, { recursive: true });
  await installers[language](home, bin);
  await writeFile(stamp, wanted);
  return bin;
}

const installers: Readonly<Record<ForeignLanguage, (home: string, bin: string) => void | Promise<void>>> = {
  go(_home, bin) {
    const env = { GOBIN: bin, GOFLAGS: "" };
    run("go", ["install", `google.golang.org/protobuf/cmd/protoc-gen-go@v${versions["protoc-gen-go"]}`], env);
    run("go", ["install", `google.golang.org/grpc/cmd/protoc-gen-go-grpc@v${versions["protoc-gen-go-grpc"]}`], env);
  },
  async python(home, bin) {
    run("python3", ["-m", "venv", path.join(home, "venv")]);
    const python = path.join(home, "venv", "bin", "python");
    const packages = [`grpcio-tools==${versions["grpcio-tools"]}`];
    run(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages]);
    // buf calls `protoc` for Python's messages.
    const protoc = path.join(bin, "protoc");
    await writeFile(protoc, `#!/bin/sh\nexec "$(dirname "$0")/../venv/bin/python" -m grpc_tools.protoc "$@"\n`);
    await chmod(protoc, 0o755);
  },
  rust(home) {
    const env = { CARGO_TARGET_DIR: path.join(home, "target"), CARGO_INSTALL_ROOT: home };
    for (const plugin of ["protoc-gen-prost", "protoc-gen-tonic"] as const) {
      run("cargo", ["install", "--quiet", "--locked", `${plugin}@${versions[plugin]}`], env);
    }
  },
  async java(home, bin) {
    const platform = mavenPlatform();
    const programs = [
      { group: "com.google.protobuf", name: "protoc" },
      { group: "io.grpc", name: "protoc-gen-grpc-java" },
    ] as const;
    for (const { group, name } of programs) {
      const artifact = `${group}:${name}:${versions[name]}:exe:${platform}`;
      const goal = `org.apache.maven.plugins:maven-dependency-plugin:${versions["maven-dependency-plugin"]}:copy`;
      run("mvn", ["-q", "-B", goal, `-Dartifact=${artifact}`, `-DoutputDirectory=${home}`]);
      await copyFile(path.join(home, `${name}-${versions[name]}-${platform}.exe`), path.join(bin, name));
      await chmod(path.join(bin, name), 0o755);
    }
  },
};

function mavenPlatform(): string {
  const system = { linux: "linux", darwin: "osx", win32: "windows" }[process.platform as string];
  const machine = { x64: "x86_64", arm64: "aarch_64" }[process.arch as string];
  if (system === undefined || machine === undefined) {
    throw new Error(`there is no protoc for Java on ${process.platform} ${process.arch}`);
  }
  return `${system}-${machine}`;
}

function run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): void {
  const { status, error } = spawnSync(program, args, {
    cwd: repositoryRoot,
    env: { ...process.env, ...env },
    // What it prints is for people; stdout may be read by programs.
    stdio: ["ignore", process.stderr.fd, process.stderr.fd],
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} failed with status ${status}`);
}
