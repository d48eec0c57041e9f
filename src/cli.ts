#!/usr/bin/env node
import { runCommandLine } from "./cli/command-line.ts";

/** How long what is left open may keep a finished command alive. */
const lingerMaxMs = 2_000;

process.exitCode = await runCommandLine(process.argv);
setTimeout(() => process.exit(), lingerMaxMs).unref();
