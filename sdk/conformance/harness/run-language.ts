import type { ConformanceCase } from "./case-file.ts";
import type { ConformanceServer } from "./conformance-server.ts";
import type { SdkLanguage } from "./languages.ts";
import { runCase } from "./run-case.ts";
import { RunnerProcess } from "./runner-process.ts";

/** What came of a case. */
export interface CaseResult {
  readonly name: string;
  /** Undefined: it passed. */
  readonly failure: string | undefined;
}

const atATime = 4;

/** LanguageSuite runs cases with one runner of a language. */
export class LanguageSuite implements AsyncDisposable {
  readonly #language: SdkLanguage;
  readonly #server: ConformanceServer;
  readonly #runner: RunnerProcess;

  constructor(language: SdkLanguage, server: ConformanceServer) {
    this.#language = language;
    this.#server = server;
    this.#runner = new RunnerProcess(language.runner);
  }

  /** Runs one case; throws when it fails. */
  async run(each: ConformanceCase): Promise<void> {
    await runCase(each, { language: this.#language, runner: this.#runner, server: this.#server });
  }

  /** Runs the cases, several at a time, those that must be alone at the end, and tells of each. */
  async runAll(cases: readonly ConformanceCase[], onResult: (result: CaseResult) => void): Promise<void> {
    const together = cases.filter(({ alone }) => !alone);
    const lane = async () => {
      for (let next = together.shift(); next; next = together.shift()) onResult(await this.#result(next));
    };
    await Promise.all(Array.from({ length: atATime }, lane));
    for (const each of cases.filter(({ alone }) => alone)) onResult(await this.#result(each));
  }

  async #result(each: ConformanceCase): Promise<CaseResult> {
    const failure = await this.run(each).then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    return { name: each.name, failure };
  }

  /** Ends the runner; throws when it does not end as it should. */
  async [Symbol.asyncDispose](): Promise<void> {
    const how = await this.#runner.end();
    if (how !== "ended with code 0") {
      throw new Error(`the runner of ${this.#language.name} ${how}\n${this.#runner.notes}`);
    }
  }
}
