// Writes docs/configuration.md from the definitions of the settings, or with --check compares it.
import { describeSettings, type SettingDoc } from "../src/config/settings.ts";
import { writeOrCompare } from "./write-or-compare.ts";

await writeOrCompare([{ file: "docs/configuration.md", text: configurationDocument(describeSettings()) }], {
  check: process.argv.includes("--check"),
  remedy: "npm run docs",
});

function configurationDocument(settings: readonly SettingDoc[]): string {
  return `<!-- Made by npm run docs from src/config/setting-definitions.ts. Edit that file. -->

# Configuration

A server reads its settings from environment variables, once, when it starts. A blank variable counts as absent. A value
that is not accepted ends the start with exit code 2 and one line for every wrong variable; a variable that begins with \`MILLPOND_\`
and is no setting is warned of, with the nearest name that is one.

- **duration**: a number with its unit: \`500ms\`, \`10s\`, \`2m\`, \`1h\`.
- **bytes**: a number of bytes, or one with its unit: \`65536\`, \`64KiB\`, \`16MiB\`.
- **flag**: \`true\` or \`false\` (also \`1\`, \`0\`, \`yes\`, \`no\`).

| variable | default | |
|---|---|---|
${settings.map(({ name, default: value }) => `| [\`${name}\`](#${anchor(name)}) | \`${cell(value)}\` | ${cell(summary(settings, name))} |`).join("\n")}

${settings.map(section).join("\n")}
## Of the clients

The commands \`millpond run\` and \`millpond demo\`, and the examples, read these; a server ignores them.

| variable | default | |
|---|---|---|
| \`MILLPOND_ADDRESS\` | \`http://127.0.0.1:8085\` | The server that \`millpond run\` and the examples speak to. |
| \`MILLPOND_TOKEN\` | none | What \`millpond run\` sends as a bearer token. Servers of this version do not look at it. |
`;
}

function section(setting: SettingDoc): string {
  const lines = [
    `## ${setting.name}`,
    "",
    setting.doc + (setting.secret ? " It is a secret: it is never logged or shown." : ""),
    "",
    `- Type: ${setting.type}; accepts ${setting.accepts.replaceAll("<", "&lt;")}.`,
    `- Default: \`${setting.default}\``,
  ];
  return `${lines.join("\n")}\n`;
}

/** The first sentence of what a setting is for. */
function summary(settings: readonly SettingDoc[], name: string): string {
  const doc = settings.find((setting) => setting.name === name)?.doc ?? "";
  return doc.split(/(?<=\.) /)[0] ?? doc;
}

function anchor(name: string): string {
  return name.toLowerCase();
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
