const keptLinesMax = 20;
const keptCharactersMax = 4_000;
/** What has no end of line is taken for a line when it is this long: a server takes no longer ones. */
const lineLengthMax = 16_384;

/** LastLines cuts text into lines, passes them on, and keeps the last of them. */
export class LastLines {
  readonly #onLine: (line: string) => void;
  readonly #kept: string[] = [];
  #rest = "";

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  /** The last lines, as many as are worth a message. */
  get text(): string {
    return this.#kept.join("\n").slice(-keptCharactersMax).trim();
  }

  /** Takes text as it comes. A line ends with \n, \r\n, or, of a progress bar, \r. */
  add(text: string): void {
    const parts = (this.#rest + text).split(/\r?\n|\r(?=[^\n])/);
    this.#rest = parts.pop() ?? "";
    for (const part of parts) this.#take(part);
    while (this.#rest.length > lineLengthMax) {
      this.#take(this.#rest.slice(0, lineLengthMax));
      this.#rest = this.#rest.slice(lineLengthMax);
    }
  }

  /** Nothing more comes. */
  end(): void {
    if (this.#rest !== "") this.#take(this.#rest);
    this.#rest = "";
  }

  #take(line: string): void {
    if (line.trim() === "") return;
    this.#kept.push(line);
    if (this.#kept.length > keptLinesMax) this.#kept.shift();
    this.#onLine(line);
  }
}
