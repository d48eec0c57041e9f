import { expect, test } from "vitest";
import { placeArrays, slotsValue, startedOf } from "../../src/store/slots.ts";

const places = (...workers: number[]) => workers.map((worker) => ({ worker, leaseMs: worker * 100 }));

test("the places of the last worker are one element, which counts for all that follow", () => {
  expect(placeArrays([])).toEqual({ workers: [], leases: [] });
  expect(placeArrays(places(7))).toEqual({ workers: [7], leases: [700] });
  expect(placeArrays(places(7, 7, 7))).toEqual({ workers: [7], leases: [700] });
  expect(placeArrays(places(7, 7, 8, 7, 7))).toEqual({ workers: [7, 7, 8, 7], leases: [700, 700, 800, 700] });
});

test("places of one worker under leases of different lengths are different", () => {
  const last = { worker: 7, leaseMs: 1 };
  expect(placeArrays([...places(7, 7), last, last])).toEqual({ workers: [7, 7, 7], leases: [700, 700, 1] });
});

test("pools are written queue by queue, with the first place and the number of places of each", () => {
  const pools = [
    { queues: [11, 12], places: places(7, 8) },
    { queues: [13], places: places(9, 9, 9) },
  ];
  expect(slotsValue(pools)).toBe('("{11,12,13}","{0,0,1}","{1,1,3}","{2,2,3}","{7,8,9}","{700,800,900}")');
});

test("without pools there are no slots", () => {
  expect([slotsValue(undefined), slotsValue([])]).toEqual([null, null]);
});

test("places in answers count from 1 in the database, from 0 here", () => {
  expect(startedOf({ o_started: [5n, 6n], o_started_attempts: [1, 3], o_places: [2, 1] })).toEqual([
    { id: 5n, attempt: 1, place: 1 },
    { id: 6n, attempt: 3, place: 0 },
  ]);
  const nothing = { o_started: null, o_started_attempts: null, o_places: null };
  expect([startedOf(nothing), startedOf(undefined)]).toEqual([[], []]);
});
