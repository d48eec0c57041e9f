#!/usr/bin/env node
// The `millpond` command. It is CommonJS in old syntax, because it must run on a Node.js that cannot run the server: there it
// hands over to the Node.js that npm installed beside it.
const childProcess = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { pathToFileURL } = require("node:url");

const root = path.join(__dirname, "..");
const source = path.join(root, "src", "cli.ts");
// The repository runs from source, built or not; a package has only what was compiled, down to the syntax of an earlier Node.js.
const [cli, needed] = fs.existsSync(source) ? [source, "24.0"] : [path.join(root, "dist", "src", "cli.js"), "22.19"];

if (isAtLeast(process.versions.node, needed)) {
  void import(pathToFileURL(cli).href);
} else {
  handOver(bundledNode());
}

function isAtLeast(version, minimum) {
  const [[major, minor], [leastMajor, leastMinor]] = [version, minimum].map((text) => text.split(".").map(Number));
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}

/** The path of the Node.js in the optional dependency for this platform, or undefined. */
function bundledNode() {
  const platform = process.platform === "win32" ? "win" : process.platform;
  try {
    const manifest = require.resolve(`node-${platform}-${process.arch}/package.json`);
    return path.join(path.dirname(manifest), require(manifest).bin.node);
  } catch (_) {
    return undefined;
  }
}

/** Runs the command under another Node.js, passes signals on and ends as it ends. */
function handOver(node) {
  if (!node) giveUp("npm has installed none beside it for this platform");
  const child = childProcess.spawn(node, [cli].concat(process.argv.slice(2)), { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => giveUp(`${node} cannot be started: ${error.message}`));
  child.on("exit", (code, signal) => {
    if (!signal) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function giveUp(why) {
  process.stderr.write(`millpond needs Node.js ${needed} or later; this is ${process.version}, and ${why}\n`);
  process.exit(1);
}
