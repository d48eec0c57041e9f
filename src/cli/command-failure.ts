/** What a finished command tells the shell. */
export const exitCodes = { success: 0, failure: 1, misuse: 2 } as const;

/** CommandFailure ends a command with a message for people and an exit code. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
  readonly exitCode: number;

  constructor(message: string, exitCode: number = exitCodes.failure) {
    super(message);
    this.exitCode = exitCode;
  }
}
