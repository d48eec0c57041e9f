import { isTransient } from "@millpond/sdk";
import { until } from "../support/until.ts";

/** Makes a call again and again while its server or the database is away. */
export async function insist<T>(call: () => Promise<T>): Promise<T> {
  const outcomes: (() => T)[] = [];
  await until("the call is answered", async () => {
    try {
      const answer = await call();
      outcomes.push(() => answer);
    } catch (error) {
      if (isTransient(error)) return false;
      outcomes.push(() => {
        throw error;
      });
    }
    return true;
  });
  return (outcomes[0] as () => T)();
}
