import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Rule } from "@millpond/sdk";
import { durationText } from "../terminal/time-text.ts";

/** ruleText says what a rule limits, such as `gpu: 4 running at a time, of align by tenant_id`. */
export function ruleText({ name, matcher, limit }: Rule): string {
  const fields = matcher?.fields ?? [];
  const by = fields.length === 0 ? "" : ` by ${fields.join(", ")}`;
  return `${name === "" ? "" : `${name}: `}${limitText(limit)}, of ${matcher?.kind ?? ""}${by}`;
}

function limitText(limit: Rule["limit"]): string {
  switch (limit.case) {
    case "maxConcurrency":
      return `${limit.value} running at a time`;
    case "maxCapacity":
      return `${limit.value} of work in flight`;
    case "rate": {
      const { count, window } = limit.value;
      return `${count} starts in ${window ? durationText(durationMs(window)) : "each window"}`;
    }
    case undefined:
      return "a limit that this version of the command does not know";
  }
}
