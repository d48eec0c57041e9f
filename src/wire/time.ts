import { create } from "@bufbuild/protobuf";
import { type Duration, DurationSchema, type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import type { Micros } from "../domain/task.ts";

/** Writes a time. */
export function timestamp(micros: Micros): Timestamp {
  const seconds = Math.floor(micros / 1_000_000);
  return create(TimestampSchema, { seconds: BigInt(seconds), nanos: (micros - seconds * 1_000_000) * 1000 });
}

/** Writes a time where there is one. */
export function optionalTimestamp(micros: Micros | null | undefined): Timestamp | undefined {
  return micros === null || micros === undefined ? undefined : timestamp(micros);
}

/** Reads a time; what is below a microsecond is cut. */
export function microsOf(time: Timestamp): Micros {
  return Number(time.seconds) * 1_000_000 + Math.floor(time.nanos / 1000);
}

/** Reads a duration in milliseconds, rounded up: nothing that was asked for becomes nothing. */
export function millisOf(duration: Duration): number {
  return Number(duration.seconds) * 1000 + Math.ceil(duration.nanos / 1_000_000);
}

/** The duration, or undefined where it is zero: where zero has no meaning of its own, both ask for the default. */
export function nonZero(duration: Duration | undefined): Duration | undefined {
  return duration?.seconds === 0n && duration.nanos === 0 ? undefined : duration;
}

/** Writes a duration. */
export function duration(millis: number): Duration {
  return create(DurationSchema, { seconds: BigInt(Math.floor(millis / 1000)), nanos: (millis % 1000) * 1_000_000 });
}

/** Writes a duration that is known to the microsecond. */
export function durationOfMicros(micros: Micros): Duration {
  const seconds = Math.floor(micros / 1_000_000);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: (micros - seconds * 1_000_000) * 1000 });
}
