import { BatchStatus, TaskStatus } from "@millpond/sdk";
import type { Style } from "../terminal/screen.ts";

/** statusStyle is how the status of a task is set off. */
export function statusStyle(status: TaskStatus): Style | undefined {
  switch (status) {
    case TaskStatus.SUCCESS:
      return "green";
    case TaskStatus.FAILURE:
      return "red";
    case TaskStatus.CANCELED:
    case TaskStatus.PAUSED:
      return "yellow";
    case TaskStatus.CLAIMED:
    case TaskStatus.RUNNING:
      return "cyan";
    case TaskStatus.SKIPPED:
    case TaskStatus.WAITING:
      return "dim";
    case TaskStatus.PENDING:
    case TaskStatus.UNSPECIFIED:
      return undefined;
  }
}

/** batchStatusStyle is how the status of a batch is set off. */
export function batchStatusStyle(status: BatchStatus): Style | undefined {
  switch (status) {
    case BatchStatus.SUCCESS:
      return "green";
    case BatchStatus.FAILURE:
      return "red";
    case BatchStatus.CANCELED:
    case BatchStatus.PAUSED:
      return "yellow";
    case BatchStatus.ACTIVE:
      return "cyan";
    case BatchStatus.UNSPECIFIED:
      return undefined;
  }
}
