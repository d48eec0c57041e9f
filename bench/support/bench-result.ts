import type { Figure, Measured } from "./bench-case.ts";
import { NotRun } from "./bench-case.ts";

/** FigureResult is a figure with what was measured of it. */
export interface FigureResult {
  readonly figure: Figure;
  readonly samples: readonly number[];
  /** Why there are no samples, or fewer than runs. */
  readonly notRun: string | undefined;
}

/** CaseResult is what a case came to. */
export interface CaseResult {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly figures: readonly FigureResult[];
  /** Why the case ended early. */
  readonly failure: string | undefined;
}

/** collectFigures gathers the samples of all runs and parts under their figures. */
export function collectFigures(figures: readonly Figure[], measured: readonly Measured[]): FigureResult[] {
  return figures.map((figure) => {
    const all = measured.flatMap((sample) => {
      const value = sample[figure.id];
      return value === undefined ? [] : [value];
    });
    const samples = all.filter((value) => typeof value === "number");
    return { figure, samples, notRun: all.find((value) => value instanceof NotRun)?.reason };
  });
}
