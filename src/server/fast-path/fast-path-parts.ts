import type { Logger } from "pino";
import type { EndUndecoded } from "../request-gate.ts";
import type { Shutdown } from "./cancellation.ts";
import type { Compressions } from "./compressions.ts";
import type { SharedFrames } from "./shared-frames.ts";

/** What every call of the fast path works with. */
export interface FastPathParts {
  readonly maxMessageBytes: number;
  /** How long a caller may take to send its request. */
  readonly requestTimeoutMs: number;
  readonly timeoutMaxMs: number;
  readonly compressions: Compressions;
  /** Answers from so many bytes on are compressed for callers that accept it. */
  readonly compressMinBytes: number;
  readonly sharedFrames: SharedFrames;
  readonly shutdown: Shutdown;
  readonly endUndecoded: EndUndecoded;
  readonly newRequestId: () => string;
  readonly logger: Logger;
}
