/** Sink takes the items of a stream. */
export interface Sink<Item> {
  /** Takes items, whatever it answers: whether more may follow at once. The same array may be given to many sinks; nobody changes it any more. */
  write(items: readonly Item[]): boolean;
  /** Resolves when more may follow, or nobody takes any more. */
  ready(): Promise<void>;
}

/** The key of what a {@link PushedStream} does beside being iterated. */
export const pushTo: unique symbol = Symbol("pushTo");

/**
 * PushedStream is a stream that writes by itself to a sink: one call where an iteration costs a chain of promises per item, which matters where thousands of
 * streams carry the same items. Whoever knows nothing of sinks iterates it. It goes one of the two ways, once.
 */
export interface PushedStream<Item> extends AsyncIterable<Item> {
  /** Writes all items; resolves at the end of the stream, rejects with what ended it. */
  [pushTo](sink: Sink<Item>): Promise<void>;
}

/** Tells whether a stream is a {@link PushedStream}. */
export function isPushed<Item>(stream: AsyncIterable<Item>): stream is PushedStream<Item> {
  return pushTo in stream;
}

/** Makes a stream of what writes it. Iterated, it is written no further ahead than what one write holds. */
export function pushedStream<Item>(push: (sink: Sink<Item>) => Promise<void>): PushedStream<Item> {
  return { [pushTo]: push, [Symbol.asyncIterator]: () => iterate(push) };
}

async function* iterate<Item>(push: (sink: Sink<Item>) => Promise<void>): AsyncGenerator<Item> {
  let held: readonly Item[] = [];
  let isOver = false;
  let changed = Promise.withResolvers<void>();
  let taken = Promise.withResolvers<void>();
  const sink: Sink<Item> = {
    write: (items) => {
      if (isOver) return false;
      held = held.length === 0 ? items : [...held, ...items];
      changed.resolve();
      return false;
    },
    ready: () => (isOver || held.length === 0 ? Promise.resolve() : taken.promise),
  };
  const pushing = push(sink).finally(() => {
    isOver = true;
    changed.resolve();
  });
  // Whoever stops to iterate does not hear of what comes of it.
  pushing.catch(() => {});
  try {
    for (;;) {
      await changed.promise;
      changed = Promise.withResolvers();
      const items = held;
      held = [];
      if (isOver) changed.resolve();
      yield* items;
      if (isOver && held.length === 0) break;
      taken.resolve();
      taken = Promise.withResolvers();
    }
  } finally {
    isOver = true;
    taken.resolve();
  }
  await pushing;
}
