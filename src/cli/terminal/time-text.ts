import { type Duration, durationMs, type Timestamp, timestampDate, timestampMs } from "@bufbuild/protobuf/wkt";

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
/** Beyond this many days a date says more. */
const relativeDaysMax = 30;

/** relativeTime is a time as people say it, such as `3 min ago` or `in 5 s`; empty where there is none. */
export function relativeTime(time: Timestamp | undefined, nowMs: number): string {
  if (!time) return "";
  const ms = nowMs - timestampMs(time);
  const distance = Math.abs(ms);
  if (distance > relativeDaysMax * dayMs) return timestampDate(time).toISOString().slice(0, 10);
  if (distance < secondMs) return "now";
  return ms > 0 ? `${roughly(distance)} ago` : `in ${roughly(distance)}`;
}

/** clockTime is the local time of day, to the millisecond. */
export function clockTime(time: Timestamp | undefined): string {
  const date = time ? timestampDate(time) : new Date();
  const two = (value: number) => String(value).padStart(2, "0");
  const ms = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`;
}

/** durationText is a length of time, such as `9 h 57 min 4 s`, and with a fraction below a minute: `1.2 s`. */
export function durationText(ms: number): string {
  if (ms < minuteMs) return `${(ms / secondMs).toFixed(1)} s`;
  const whole = Math.round(ms / secondMs);
  const parts = [
    [Math.floor(whole / 3600), "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ] as const;
  return parts
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}

/** between is the length of time between two times; undefined where one of them is missing. */
export function between(from: Timestamp | undefined, to: Timestamp | undefined): number | undefined {
  return from && to ? timestampMs(to) - timestampMs(from) : undefined;
}

/** lengthOf is a duration as text; empty where there is none. */
export function lengthOf(duration: Duration | undefined): string {
  return duration ? durationText(durationMs(duration)) : "";
}

function roughly(ms: number): string {
  if (ms < minuteMs) return `${Math.floor(ms / secondMs)} s`;
  if (ms < hourMs) return `${Math.floor(ms / minuteMs)} min`;
  if (ms < dayMs) return `${Math.floor(ms / hourMs)} h`;
  return `${Math.floor(ms / dayMs)} d`;
}
