import type { BenchContext } from "./bench-context.ts";

/** Reference is a figure of the case, a limit or a peer, with what it came to on the machine that a bar's number comes from. */
export interface Reference {
  readonly of: string;
  readonly value: number;
}

/** What a figure should reach. It is printed beside the figure, never asserted. */
export type Bar =
  /**
   * A number, whatever the machine. `beside` is what it was set beside: the same ratio to what this run measures of that is
   * told too, for who reads it on a slower or a faster machine.
   */
  | { readonly kind: "value"; readonly value: number; readonly beside?: readonly Reference[] }
  /** A multiple of another figure of the case, measured in the same run. */
  | { readonly kind: "share"; readonly of: string; readonly times: number };

/** Figure is one row of a case's table. */
export interface Figure {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly better: "more" | "less" | "neither";
  readonly bar?: Bar;
  /** Ids of figures of the case (limits, peers) that its ratio is told to. */
  readonly against?: readonly string[];
}

/** NotRun stands for a sample that could not be taken, with the reason. */
export class NotRun {
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}

/** One sample of some figures, by their ids. */
export type Measured = Readonly<Record<string, number | NotRun>>;

/** Part is what is measured in one go: Millpond, a peer or a limit. The parts of a case take turns, run by run. */
export interface Part {
  readonly name: string;
  measure(): Promise<Measured>;
}

/** BenchCase is one group of figures: what is to be measured, and how. */
export interface BenchCase {
  /** As `--only` names it. */
  readonly name: string;
  readonly title: string;
  /** What is measured, for who reads the table. */
  readonly about: string;
  readonly figures: readonly Figure[];
  /** Prepares the case. What it opens through the context is closed with it. */
  open(context: BenchContext): Promise<readonly Part[]>;
}
