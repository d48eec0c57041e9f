// Turns the SDK's package.json to its compiled code before it is packed, and back to its source with `--undo`: npm packs the file as it stands.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { compiledManifest, sourceManifest } from "./sdk-manifest.ts";

const file = path.resolve(import.meta.dirname, "../sdk/typescript/package.json");
const turn = process.argv.includes("--undo") ? sourceManifest : compiledManifest;
writeFileSync(file, turn(readFileSync(file, "utf8")));
