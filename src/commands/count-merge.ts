import { CountSums, type Counts } from "../domain/count-sums.ts";
import type { NewCounts, ProducerPart } from "../store/counts.ts";

/** A stream of counts. Once it is over, what of it has not been written is left out: all that follows, or nothing. */
export interface CountStream {
  isOver: boolean;
}

/** Counts that came together. */
export interface CountMessage {
  readonly counts: Counts;
  /** Of a stream: they outlast a database that is away, and are counted once however often they come. */
  readonly producer?: { readonly id: string; readonly sequence: bigint; readonly stream: CountStream } | undefined;
  /** Of a call that is safe to repeat. */
  readonly request?: { readonly requestId: string; readonly bodyHash: Buffer } | undefined;
}

/** Answers are kept with what was refused of all that was written together: so few are. */
const requestsMax = 50;

/** When a {@link CountMerge} is full; the last message may bring more. */
export interface CountMergeBounds {
  readonly tasksMax: number;
  readonly itemsMax: number;
}

/** CountMerge is what is written together: messages in the order in which they came, and their sums. */
export class CountMerge<Message extends CountMessage> {
  readonly messages: Message[] = [];
  /** Messages that another one of the same write is already, with the highest number of their producer then. */
  readonly repeats = new Map<Message, bigint>();
  readonly #sums = new CountSums();
  readonly #producers = new Map<string, ProducerPart>();
  readonly #requests = new Map<string, NewCounts["requests"][number]>();
  readonly #bounds: CountMergeBounds;
  #items = 0;

  constructor(bounds: CountMergeBounds) {
    this.#bounds = bounds;
  }

  /** Adds a message, or answers false: it has to be written later. The first one is always added. */
  add(message: Message): boolean {
    if (this.#sums.tasks >= this.#bounds.tasksMax || this.#items >= this.#bounds.itemsMax) return false;
    const { producer, request, counts } = message;
    if (request !== undefined) {
      // Two calls with one request_id are the same call, or a mistake: the second finds the first.
      if (this.#requests.has(request.requestId) || this.#requests.size === requestsMax) return false;
      this.#requests.set(request.requestId, request);
    }
    this.messages.push(message);
    if (producer !== undefined) {
      const before = this.#producers.get(producer.id);
      if (before !== undefined && producer.sequence <= before.last) {
        this.repeats.set(message, before.last);
        return true;
      }
      const first = before?.first ?? producer.sequence;
      this.#producers.set(producer.id, { producerId: producer.id, first, last: producer.sequence });
    }
    this.#items += counts.ids.length;
    this.#sums.add(counts);
    return true;
  }

  /** What is to be written, and the tasks whose sums no counter can hold. */
  counts(): NewCounts & { readonly beyond: readonly bigint[] } {
    const parts = { producers: [...this.#producers.values()], requests: [...this.#requests.values()] };
    return { ...parts, ...this.#sums.columns() };
  }
}
