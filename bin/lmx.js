#!/usr/bin/env -S MALLOC_MMAP_THRESHOLD_=131072 node --max-old-space-size=1024 --max-semi-space-size=4
// These can be set nowhere later than there, so what starts this program starts this file. Node's own limits of the heap
// are 4 GB on most machines, which a service that has gone wrong would take from the models before it ends, and 64 MB for
// new objects, which no load needs. And glibc, left to itself, keeps the memory of large bodies that are gone.
// Plain JavaScript on purpose: it must parse on any Node, so that an old one gets a sentence, not a stack trace.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `lmx needs Node >= 22.18, this is ${process.version}. In a clone use "npm run lmx -- ..." (it brings its own Node); otherwise install a newer Node.\n`,
  );
  process.exit(69);
}
// A clone runs its sources; the npm package, which has none, runs the build (Node strips no types under node_modules).
const { existsSync, mkdirSync, statSync } = await import("node:fs");
const { homedir } = await import("node:os");
const { join, resolve } = await import("node:path");
// Keeps compiled (and type-stripped) modules between starts: half the time to listening, and less memory. In the state
// directory, because code found in a shared temporary directory could be anybody's. Not being able to is no harm.
const { enableCompileCache } = await import("node:module");
const stateDirectory = resolve((process.env.OPTA_LMX_HOME || "~/.opta-lmx").replace(/^~(?=\/|$)/, homedir()));
const cacheDirectory = join(stateDirectory, "cache");
try {
  // Made here first, because the cache would make them readable for everybody.
  mkdirSync(cacheDirectory, { mode: 0o700, recursive: true });
  // What others can write must not be run: "lmx doctor" says how to mend that.
  const isOurs = [stateDirectory, cacheDirectory].every((path) => {
    const { mode, uid } = statSync(path);
    return (mode & 0o022) === 0 && (uid === process.geteuid?.() || uid === 0);
  });
  if (isOurs) enableCompileCache(join(cacheDirectory, "compiled"));
} catch {
  // They cannot be made, which whoever needs them will say.
}
// The memory of a service that runs for months is then what it needs, and growth that is none can be told from a leak:
// old objects are collected when they have grown by half, not fourfold; room for new ones is given back after each
// collection; and a process at rest collects. Costs the service a tenth of its processor time under load.
const { setFlagsFromString } = await import("node:v8");
setFlagsFromString("--heap-growing-percent=50");
setFlagsFromString("--memory-saver-mode");
const source = new URL("../supervisor/main.ts", import.meta.url);
await import(existsSync(source) ? source.href : new URL("../dist/supervisor/main.js", import.meta.url).href);
