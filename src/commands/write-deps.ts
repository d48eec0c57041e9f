import type { PlaceSource } from "../domain/places.ts";
import type { ReportedTask } from "../store/attempts.ts";
import type { Database } from "../store/database.ts";
import type { GivenTasks } from "../store/given-tasks.ts";

/** What writes need. */
export interface WriteDeps {
  readonly db: Database;
  /** Told after each commit, with the queues that have something to start; 0 among them: webhooks are to be delivered. */
  readonly committed: (readyQueues: readonly number[]) => void;
  /** Who takes at once what a commit makes ready. */
  readonly places: PlaceSource;
  /** What tasks were given that were created here just now. */
  readonly given: GivenTasks;
}

/** What became of reports that were written with those of other calls. */
export interface WrittenReports {
  readonly taken: ReadonlyMap<bigint, ReportedTask>;
  /** Resolves when what the reports have left to be done is done, too. */
  readonly finished: Promise<void>;
}
