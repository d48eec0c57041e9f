import { describeError } from "../describe-error.ts";
import { explainFailure } from "./explain-failure.ts";

/**
 * troubleTeller makes a listener that says on stderr what went wrong and is being dealt with: each trouble once, since a server that is
 * away is the same trouble at every attempt to reach it.
 */
export function troubleTeller(address: string): (error: unknown) => void {
  const told = new Set<string>();
  return (error) => {
    const text = describeError(error);
    if (told.has(text)) return;
    told.add(text);
    void explainFailure(error, address).then((explained) => {
      process.stderr.write(`millpond: ${describeError(explained)}; going on\n`);
    });
  };
}
