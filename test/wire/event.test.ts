import { describe, expect, it } from "vitest";
import { ChangeType, type FeedEvent } from "../../src/domain/feed-event.ts";
import { createIdCodec } from "../../src/domain/ids.ts";
import { EventSchema } from "../../src/gen/millpond/v1/event_pb.ts";
import { encodeEvent } from "../../src/wire/event.ts";

const ids = createIdCodec(1n);
const event: Omit<FeedEvent, "type"> = {
  ...{ seq: 1n, index: 0, time: 0, batchId: 5n, taskId: 6n, from: 1, to: 2, attempt: 0, kind: "a", worker: "" },
  ...{ created: undefined, result: undefined, counts: undefined, batch: undefined, fields: 0 },
};

describe("an event", () => {
  it("has a payload for each kind of change, and no payload in the contract that none becomes", () => {
    const sent = Object.values(ChangeType).map((type) => encodeEvent({ ...event, type }, ids).payload.case);
    const promised = EventSchema.oneofs.flatMap(({ fields }) => fields.map(({ localName }) => localName));
    expect([...new Set<string | undefined>(sent)].sort()).toEqual(promised.sort());
  });
});
