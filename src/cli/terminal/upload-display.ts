import type { Screen } from "./screen.ts";

const redrawEveryMs = 100;
const lineEveryMs = 1_000;

/** UploadDisplay shows how far an upload is: a line that is redrawn on a terminal, a line a second elsewhere. */
export class UploadDisplay {
  readonly #screen: Screen;
  readonly #total: number;
  readonly #timer: NodeJS.Timeout;
  #sent = 0;
  #shown = "";

  constructor(screen: Screen, total: number) {
    this.#screen = screen;
    this.#total = total;
    this.#timer = setInterval(() => this.#show(this.#progress()), screen.isTerminal ? redrawEveryMs : lineEveryMs);
  }

  /** Says how many tasks have been sent. */
  sent(count: number): void {
    this.#sent = count;
  }

  /** Shows how far it came, and ends. */
  stop(): void {
    clearInterval(this.#timer);
    this.#show(this.#text());
    this.#screen.finishDrawing();
  }

  #show(text: string): void {
    if (this.#screen.isTerminal) this.#screen.draw([text]);
    else if (text !== this.#shown) this.#screen.line(text);
    this.#shown = text;
  }

  #text(): string {
    const [sent, total] = [this.#sent, this.#total].map((count) => count.toLocaleString("en-US"));
    return `uploaded ${sent} of ${total} tasks`;
  }

  /** The answer follows the commit. */
  #progress(): string {
    return this.#sent < this.#total ? this.#text() : `${this.#text()}; the server creates them, all or none`;
  }
}
