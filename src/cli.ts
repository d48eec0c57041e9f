#!/usr/bin/env node
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

/** How long what is left open may keep a finished command alive. */
const lingerMaxMs = 2_000;
/** Where compiled code, without its types, is kept for the next start. Where it cannot be written, that start takes half a second longer. */
const codeCacheDir = fileURLToPath(new URL("../node_modules/.cache/millpond", import.meta.url));

enableCompileCache(codeCacheDir);
const { runCommandLine } = await import("./cli/command-line.ts");
process.exitCode = await runCommandLine(process.argv);
setTimeout(() => process.exit(), lingerMaxMs).unref();
