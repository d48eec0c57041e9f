import { setTimeout as sleep } from "node:timers/promises";
import type { CaseContext } from "./case-context.ts";
import type { Step } from "./case-file.ts";
import { differences } from "./differences.ts";
import { OpFailed, type RunnerError } from "./runner-process.ts";

type Answer = Record<string, unknown>;

const eventuallyMs = 60_000;

/**
 * expectOutcome does what a step says and compares what comes of it with the step's `answers`, or with its `fails`; without
 * either it must not fail. With `eventually: true` it is done again until the answer is as expected. The answer is kept under the step's `as`.
 */
export async function expectOutcome(context: CaseContext, step: Step, act: () => Promise<Answer>): Promise<Answer> {
  const deadlineMs = performance.now() + eventuallyMs;
  for (;;) {
    const { answer, wrong } = await once(context, step, act);
    if (wrong.length === 0) {
      if (typeof step.as === "string") context.variables.set(step.as, answer);
      return answer;
    }
    if (step.eventually !== true || performance.now() > deadlineMs) throw new Error(wrong.join("\n"));
    await sleep(50);
  }
}

/** expectOrBegin is {@link expectOutcome}; a step with `background: NAME` is begun only, and `joins: NAME` looks at what comes of it. */
export async function expectOrBegin(context: CaseContext, step: Step, act: () => Promise<Answer>): Promise<void> {
  if (step.background === undefined) {
    await expectOutcome(context, step, act);
    return;
  }
  const pending = act();
  pending.catch(() => undefined);
  context.background.set(String(step.background), pending);
}

async function once(context: CaseContext, step: Step, act: () => Promise<Answer>) {
  const { fails, answers } = step;
  let answer: Answer;
  try {
    answer = await act();
  } catch (error) {
    if (!(error instanceof OpFailed) || fails === undefined) throw error;
    const expected = context.variables.fill(fails) as Record<string, unknown>;
    return { answer: { ...error.error }, wrong: errorDifferences(context, expected, error.error) };
  }
  if (fails !== undefined) return { answer, wrong: [`it did not fail, but answered ${JSON.stringify(answer)}`] };
  return { answer, wrong: answers === undefined ? [] : differences(context.variables.fill(answers), answer) };
}

/** A list of codes stands for any of them. What the SDK fails with has its language's type, unless the case names a kind of error of the language itself by `code: ""`. */
function errorDifferences(context: CaseContext, expected: Record<string, unknown>, error: RunnerError): string[] {
  const { code, ...rest } = expected;
  const codes = Array.isArray(code) ? code : [code ?? error.code];
  const wrong = differences(rest, error);
  if (!codes.includes(error.code)) wrong.push(`code is ${JSON.stringify(error.code)}, not ${codes.join(" or ")}`);
  if (error.code !== "" && error.type !== context.language.errorType) {
    wrong.push(`type is ${error.type}, not ${context.language.errorType}`);
  }
  if (error.type === "RunnerError") wrong.push(`the runner itself failed: ${error.message}`);
  return wrong;
}
