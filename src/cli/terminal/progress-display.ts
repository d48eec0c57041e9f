import { countKinds, drawTable, type KindProgress, type ProgressSource, totalOf } from "./progress-table.ts";
import type { Screen } from "./screen.ts";
import { fitted } from "./text-width.ts";

const redrawEveryMs = 100;
const lineEveryMs = 1_000;

/** ProgressDisplay shows how a run goes: a table that is redrawn on a terminal, a line a second elsewhere. */
export class ProgressDisplay {
  readonly #screen: Screen;
  readonly #source: ProgressSource;
  readonly #startMs = performance.now();
  readonly #timer: NodeJS.Timeout;
  #changed = true;

  constructor(screen: Screen, source: ProgressSource) {
    this.#screen = screen;
    this.#source = source;
    this.#timer = setInterval(() => this.#show(), screen.isTerminal ? redrawEveryMs : lineEveryMs);
    if (screen.isTerminal) this.#show();
  }

  /** Says that a task has changed. */
  changed(): void {
    this.#changed = true;
  }

  /** Shows the last state and ends. */
  stop(): void {
    clearInterval(this.#timer);
    this.#changed = true;
    this.#show();
    this.#screen.finishDrawing();
  }

  #show(): void {
    const elapsedMs = performance.now() - this.#startMs;
    const kinds = countKinds(this.#source);
    if (this.#screen.isTerminal) {
      this.#screen.draw(drawTable(this.#screen, kinds, elapsedMs));
      return;
    }
    if (!this.#changed) return;
    this.#changed = false;
    const { total, succeeded, failed, running, waiting } = totalOf(kinds);
    const figures = [
      `${(elapsedMs / 1000).toFixed(1).padStart(6)} s`,
      `${String(succeeded + failed).padStart(6)} of ${total} ended`,
      `${String(running).padStart(5)} running`,
      `${String(waiting).padStart(6)} waiting`,
      ...(failed > 0 ? [`${failed} failed`] : []),
    ].join("  ");
    this.#screen.line(`${figures}${activity(kinds, this.#screen.columns - figures.length)}`);
  }
}

/** The kinds under way, as many as fit. */
function activity(kinds: readonly KindProgress[], width: number): string {
  let text = "";
  for (const { kind, running, succeeded, total } of kinds) {
    const next = running > 0 ? `${text === "" ? "   " : ", "}${fitted(kind, 30).trimEnd()} ${succeeded}/${total}` : "";
    if (text.length + next.length > width) break;
    text += next;
  }
  return text;
}
