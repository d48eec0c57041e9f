import { mkdirSync } from "node:fs";
import type { BenchmarkPostgres } from "./benchmark-postgres.ts";
import { ChildProcesses } from "./child-processes.ts";
import { type MillpondServer, startMillpondServer } from "./millpond-server.ts";
import { type Program, type ProgramLine, type ProgramSource, runProgram, startProgram } from "./program.ts";

/** BenchContextOptions is what a case finds. */
export interface BenchContextOptions {
  readonly caseName: string;
  readonly postgres: BenchmarkPostgres;
  /** A temporary folder of this run. */
  readonly folder: string;
  /** Small sizes, to see that everything works. */
  readonly quick: boolean;
  /** How many ended tasks the case of old rows prepares. */
  readonly ended: number;
  /** The program of ArcRun's server; undefined: it is not measured. */
  readonly arcRun: string | undefined;
  /** Where CPU profiles of the server go; undefined: it is not profiled. */
  readonly profileDir: string | undefined;
  /** Aborted when the run is to stop. */
  readonly signal: AbortSignal;
  /** Tells of progress, on standard error. */
  readonly progress: (text: string) => void;
}

/** BenchContext is the world of one case: what is opened through it is closed, in reverse order, when the case ends. */
export class BenchContext implements AsyncDisposable {
  readonly options: BenchContextOptions;
  readonly postgres: BenchmarkPostgres;
  readonly children = new ChildProcesses();
  readonly #opened = new AsyncDisposableStack();
  #profiles = 0;

  constructor(options: BenchContextOptions) {
    this.options = options;
    this.postgres = options.postgres;
    const onAbort = () => void this.children.stopAll();
    options.signal.addEventListener("abort", onAbort, { once: true });
    this.#opened.defer(() => options.signal.removeEventListener("abort", onAbort));
    this.#opened.defer(() => this.children.stopAll());
  }

  /** The size of a full run, or that of a quick one. */
  size(full: number, quick: number): number {
    return this.options.quick ? quick : full;
  }

  /** Makes an empty database; it is dropped with the case. */
  async createDatabase(name: string): Promise<string> {
    const url = await this.postgres.createDatabase(`${this.options.caseName}_${name}`);
    this.#opened.defer(() => this.postgres.dropDatabase(url));
    return url;
  }

  /**
   * Lends an empty database and drops it afterwards, so that its autovacuum falls on nobody else. Dropping makes a
   * checkpoint: every sample that has a database of its own begins after one.
   */
  async withDatabase<T>(name: string, use: (url: string) => Promise<T>): Promise<T> {
    const url = await this.postgres.createDatabase(`${this.options.caseName}_${name}`);
    try {
      return await use(url);
    } finally {
      await this.postgres.dropDatabase(url);
    }
  }

  /** Starts a server on a database, as users start it. */
  async startServer(databaseUrl: string, env: Readonly<Record<string, string>> = {}): Promise<MillpondServer> {
    const { folder, caseName } = this.options;
    const server = await startMillpondServer(this.children, {
      logFile: `${folder}/${caseName}.log`,
      env: { DATABASE_URL: databaseUrl, ...env },
      nodeFlags: this.#profileFlags("server"),
    });
    this.#opened.defer(() => server.stop());
    return server;
  }

  /** Has something closed with the case. */
  defer(close: () => Promise<unknown>): void {
    this.#opened.defer(async () => {
      await close();
    });
  }

  /** Runs a module of bench/programs to its end. */
  run<Line extends ProgramLine>(module: string, job: object): Promise<Line> {
    return this.runSource<Line>({ module }, job);
  }

  /** Runs a module that has the engine in its own process, which is profiled as a server is. */
  runEngine<Line extends ProgramLine>(module: string, job: object): Promise<Line> {
    return this.runSource<Line>({ module, nodeFlags: this.#profileFlags(module) }, job);
  }

  /** Runs a helper process to its end. */
  runSource<Line extends ProgramLine>(source: ProgramSource, job: object): Promise<Line> {
    this.options.signal.throwIfAborted();
    return runProgram<Line>(this.children, { source, job });
  }

  /** Starts a helper process that goes on. */
  start(source: ProgramSource, job: object): Promise<Program> {
    this.options.signal.throwIfAborted();
    return startProgram(this.children, { source, job });
  }

  #profileFlags(what: string): string[] {
    const { caseName, profileDir } = this.options;
    if (profileDir === undefined) return [];
    mkdirSync(profileDir, { recursive: true });
    const name = `${caseName}-${what}-${this.#profiles++}.cpuprofile`;
    return ["--cpu-prof", `--cpu-prof-dir=${profileDir}`, `--cpu-prof-name=${name}`];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened.disposeAsync();
  }
}
