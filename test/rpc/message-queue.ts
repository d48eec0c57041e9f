/** MessageQueue is what a client sends in a stream: what is pushed, until it is ended. */
export class MessageQueue<Message> implements AsyncIterable<Message> {
  readonly #messages: Message[] = [];
  #hasEnded = false;
  #wake = (): void => {};

  push(message: Message): void {
    this.#messages.push(message);
    this.#wake();
  }

  end(): void {
    this.#hasEnded = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Message> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) yield message;
      else if (this.#hasEnded) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}
