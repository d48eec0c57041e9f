#!/usr/bin/env node
// The `millpond` command. It is CommonJS in old syntax, because it must run on a Node.js that cannot run the sources
// (older than 22.18): there it hands over to the Node.js that npm installed beside them.
const childProcess = require("node:child_process");
const path = require("node:path");
const { pathToFileURL } = require("node:url");

const cli = path.join(__dirname, "..", "src", "cli.ts");
const [major, minor] = process.versions.node.split(".").map(Number);

if (major > 22 || (major === 22 && minor >= 18)) {
  void import(pathToFileURL(cli).href);
} else {
  handOver(bundledNode());
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
  if (!node) {
    process.stderr.write(`millpond needs Node.js 22.18 or later; this is ${process.version}\n`);
    process.exit(1);
  }
  const child = childProcess.spawn(node, [cli].concat(process.argv.slice(2)), { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => {
    if (!signal) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
