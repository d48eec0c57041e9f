import { Command } from "commander";
import type { SecretRefusal } from "../store/change-webhook-secrets.ts";
import { CommandFailure, exitCodes } from "./command-failure.ts";
import { withDatabase } from "./with-database.ts";

interface Options {
  readonly namespace: string;
  readonly json: boolean;
}

/** webhookSecretCommand is `millpond webhook-secret`: shows what webhooks are signed with, and changes it without a receiver that refuses calls. */
export function webhookSecretCommand(): Command {
  const command = new Command("webhook-secret")
    .description("show or change the secret that webhooks are signed with")
    .addHelpText(
      "after",
      `
Receivers verify calls with it (https://www.standardwebhooks.com). To change it: rotate, give receivers the new one, retire.
Between rotate and retire calls are signed with both. Servers follow within 10 s, without a restart.

The database is that of DATABASE_URL, or the embedded one in MILLPOND_DATA_DIR, whose server must be stopped.

Examples:
  millpond webhook-secret show
  DATABASE_URL=postgresql://user:password@host/db millpond webhook-secret rotate
  millpond webhook-secret retire --json`,
    );
  const descriptions = {
    show: "show the secret, and the previous one while there is one",
    rotate: "make a new secret; the one before is the previous one from now on",
    retire: "forget the previous secret",
  } as const;
  for (const name of ["show", "rotate", "retire"] as const) {
    command
      .command(name)
      .description(descriptions[name])
      .option("--namespace <name>", "whose secret", "default")
      .option("--json", "print JSON", false)
      .addHelpText("after", `\nExample:\n  millpond webhook-secret ${name}`)
      .action((options: Options) => run(name, options));
  }
  return command;
}

async function run(change: "show" | "rotate" | "retire", { namespace, json }: Options): Promise<void> {
  const { changeWebhookSecrets } = await import("../store/change-webhook-secrets.ts");
  await withDatabase(async (url) => {
    const secrets = await changeWebhookSecrets(url, { case: change, namespace });
    if (typeof secrets === "string") throw refused(secrets, namespace);
    if (json) console.log(JSON.stringify({ namespace, ...secrets }));
    else for (const [name, secret] of Object.entries(secrets)) console.log(`${name.padEnd(8)}  ${secret}`);
  });
}

function refused(refusal: SecretRefusal, namespace: string): CommandFailure {
  switch (refusal) {
    case "no namespace":
      return new CommandFailure(
        `there is no namespace "${namespace}"; leave --namespace out for "default"`,
        exitCodes.misuse,
      );
    case "previous in use":
      return new CommandFailure(
        `the previous secret of "${namespace}" is still in use; when all receivers know the current one: millpond webhook-secret retire`,
      );
    case "no previous":
      return new CommandFailure(`"${namespace}" has no previous secret; there is nothing to retire`);
    case "unmigrated":
      return new CommandFailure(
        "the database has not been brought up to this version; start a server on it, or: millpond migrate up",
      );
  }
}
