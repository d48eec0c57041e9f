// Checks the protos: lint, format, and that nothing breaks clients of the base. MILLPOND_PROTO_BASE names another base.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { repositoryRoot, runBuf } from "./run-buf.ts";

const checks = [
  {
    run: () => runBuf(["lint"]),
    mend: "edit the files named above; see again with: npx buf lint",
  },
  {
    run: () => runBuf(["format", "proto", "--diff", "--exit-code"]),
    mend: "run: npx buf format --write proto",
  },
  {
    run: checkBreaking,
    mend: "keep what is published and add beside it; see again with: npm run proto:check",
  },
];

for (const check of checks) {
  if (check.run()) continue;
  console.error(check.mend);
  process.exitCode = 1;
}

function checkBreaking(): boolean {
  const base = findBase();
  if ("skipped" in base) {
    console.log(`buf breaking: skipped, ${base.skipped}`);
    return true;
  }
  const folder = mkdtempSync(path.join(tmpdir(), "millpond-protos-"));
  try {
    const archive = path.join(folder, "base.tar");
    const paths = ["buf.yaml", "proto", "third_party/proto"];
    if (git("archive", "--output", archive, base.commit, "--", ...paths) === undefined) {
      console.error(`buf breaking: git could not read the protos of ${base.commit}`);
      return false;
    }
    if (runBuf(["breaking", "--against", archive])) return true;
    console.error(`buf breaking: compared with ${base.commit}`);
    return false;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * The commit to compare with: where this one left main, or the one before HEAD when this is main with nothing to commit
 * or when the clone has no main.
 */
function findBase(): { commit: string } | { skipped: string } {
  const head = git("rev-parse", "--verify", "--quiet", "HEAD");
  if (!head) return { skipped: "there is no git history here" };
  const wanted = process.env.MILLPOND_PROTO_BASE;
  const commit = wanted ? git("rev-parse", "--verify", "--quiet", `${wanted}^{commit}`) : findDefaultBase(head);
  if (wanted && !commit) throw new Error(`MILLPOND_PROTO_BASE: git does not know ${wanted}`);
  if (!commit) return { skipped: "there is no commit before this one" };
  if (git("cat-file", "-e", `${commit}:proto/millpond`) === undefined) {
    return { skipped: `${commit} has no protos` };
  }
  return { commit };
}

function findDefaultBase(head: string): string | undefined {
  const main = ["origin/main", "main"]
    .map((branch) => git("rev-parse", "--verify", "--quiet", `${branch}^{commit}`))
    .find(Boolean);
  // A shallow clone may lack the common ancestor; the tip of main is the next best.
  const fork = main && (git("merge-base", head, main) || main);
  if (fork && fork !== head) return fork;
  const edited = git("status", "--porcelain", "--", "proto", "third_party/proto");
  return edited ? head : git("rev-parse", "--verify", "--quiet", "HEAD^");
}

/** Runs git here: its output without the last line break, or undefined when it failed or is not installed. */
function git(...args: string[]): string | undefined {
  const run = spawnSync("git", args, { cwd: repositoryRoot, encoding: "utf8" });
  return run.status === 0 ? run.stdout.trim() : undefined;
}
