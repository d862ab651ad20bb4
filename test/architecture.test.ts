import { describe, expect, it } from "vitest";
import {
  type ImportRule,
  importCircles,
  importedFiles,
  readSource,
  sourcesUnder,
  violations,
} from "./support/import-rules.ts";

const allBelowService = [
  "shared",
  "supervisor/json",
  "supervisor/policy/",
  "supervisor/host",
  "supervisor/models",
  "supervisor/runtime",
  "supervisor/rpc",
  "supervisor/store",
  "supervisor/config",
  "supervisor/telemetry",
  "supervisor/workers",
  "supervisor/backends/",
  "supervisor/cluster/",
  "supervisor/compat",
  "supervisor/http",
];

/** A room of pure decisions. */
function pureRoom(rooms: readonly string[]): ImportRule {
  return { rooms: ["shared", ...rooms], packages: [], node: false };
}

/** A room of the cluster, which stands on everything below it. */
function clusterRoom(rooms: readonly string[]): ImportRule {
  return {
    rooms: [
      "shared",
      "supervisor/json",
      "supervisor/policy/",
      "supervisor/models",
      "supervisor/host",
      "supervisor/rpc",
      "supervisor/store",
      "supervisor/telemetry",
      "supervisor/workers",
      "supervisor/backends/",
      ...rooms,
    ],
    packages: ["p-queue", "pino", "zod"],
    node: true,
  };
}

/** Room → what it may import. A room sees itself and rooms above it in this list, never below. */
const RULES: Readonly<Record<string, ImportRule>> = {
  shared: { rooms: [], packages: ["zod"], node: false },
  "supervisor/policy": pureRoom([]),
  // Lifecycle is what the other decisions are about: it knows none of them, and they do not know each other.
  "supervisor/policy/lifecycle": pureRoom([]),
  "supervisor/policy/admission": pureRoom(["supervisor/policy"]),
  "supervisor/policy/memory": pureRoom(["supervisor/policy"]),
  "supervisor/policy/diagnosis": pureRoom(["supervisor/policy/lifecycle"]),
  "supervisor/policy/requests": pureRoom(["supervisor/policy/lifecycle"]),
  "supervisor/policy/watch": pureRoom([]),
  "supervisor/policy/service": pureRoom(["supervisor/policy", "supervisor/policy/lifecycle"]),
  "supervisor/json": { rooms: ["shared"], packages: [], node: true },
  "supervisor/host": { rooms: ["shared"], packages: ["zod"], node: true },
  "supervisor/models": {
    rooms: ["shared", "supervisor/json", "supervisor/policy/", "supervisor/host"],
    packages: ["zod"],
    node: true,
  },
  "supervisor/runtime": {
    rooms: ["shared", "supervisor/policy/", "supervisor/host"],
    packages: ["execa", "zod"],
    node: true,
  },
  "supervisor/rpc": { rooms: ["shared", "supervisor/json"], packages: [], node: false },
  "supervisor/store": {
    rooms: ["shared", "supervisor/json", "supervisor/policy/", "supervisor/host"],
    packages: ["lowdb", "zod"],
    node: true,
  },
  "supervisor/config": {
    rooms: ["shared", "supervisor/policy/", "supervisor/models", "supervisor/host"],
    packages: ["pino", "yaml", "zod"],
    node: true,
  },
  "supervisor/telemetry": {
    rooms: ["shared", "supervisor/policy/", "supervisor/host", "supervisor/store"],
    packages: ["pino"],
    node: true,
  },
  "supervisor/workers": {
    rooms: [
      "shared",
      "supervisor/json",
      "supervisor/policy/",
      "supervisor/models",
      "supervisor/host",
      "supervisor/rpc",
      "supervisor/store",
    ],
    packages: ["execa", "p-queue", "pino", "zod"],
    node: true,
  },
  "supervisor/backends": {
    rooms: ["shared", "supervisor/policy/", "supervisor/models", "supervisor/host"],
    packages: ["pino", "zod"],
    node: true,
  },
  // Root → requests → model → admission and dossiers, never back.
  "supervisor/cluster": clusterRoom([
    "supervisor/cluster/requests",
    "supervisor/cluster/model",
    "supervisor/cluster/admission",
  ]),
  "supervisor/cluster/requests": clusterRoom(["supervisor/cluster/model"]),
  "supervisor/cluster/model": clusterRoom(["supervisor/cluster/admission", "supervisor/cluster/dossiers"]),
  "supervisor/cluster/admission": clusterRoom([]),
  "supervisor/cluster/dossiers": clusterRoom([]),
  "supervisor/compat": {
    rooms: [
      "shared",
      "supervisor/policy/",
      "supervisor/models",
      "supervisor/store",
      "supervisor/telemetry",
      "supervisor/workers",
      "supervisor/backends",
      "supervisor/cluster/",
    ],
    packages: ["execa", "pino", "zod"],
    node: true,
  },
  "supervisor/http": {
    rooms: [
      "shared",
      "supervisor/json",
      "supervisor/policy/",
      "supervisor/host",
      "supervisor/telemetry",
      "supervisor/workers",
      "supervisor/cluster/",
    ],
    packages: ["hono", "@hono/node-server", "@hono/zod-openapi", "pino", "piscina", "prom-client", "zod"],
    node: true,
  },
  "supervisor/cli": {
    rooms: [
      "shared",
      "supervisor/policy/",
      "supervisor/models",
      "supervisor/host",
      // The doctor reads files as the service would.
      "supervisor/store",
      "supervisor/runtime",
      "supervisor/config",
    ],
    packages: ["pino-pretty", "zod"],
    node: true,
  },
  "supervisor/service": { rooms: [...allBelowService, "supervisor/cli"], packages: ["pino"], node: true },
  "supervisor/main.ts": {
    rooms: ["supervisor/cli", "supervisor/host", "supervisor/service"],
    packages: [],
    node: false,
  },
};

describe("the import allow-list", () => {
  const files = [...sourcesUnder("shared"), ...sourcesUnder("supervisor")];

  it("covers the sources", () => {
    expect(files.length).toBeGreaterThan(20);
  });

  it("holds for every source file", () => {
    expect(files.flatMap((file) => violations(file, readSource(file), RULES))).toEqual([]);
  });

  it("finds no import circle, type-only ones included", () => {
    const imports = new Map(files.map((file) => [file, importedFiles(file, readSource(file))]));
    expect(importCircles(imports)).toEqual([]);
    const planted = new Map([
      ["a.ts", ["b.ts", "c.ts"]],
      ["b.ts", ["c.ts"]],
      ["c.ts", ["b.ts"]],
    ]);
    expect(importCircles(planted)).toEqual([["b.ts", "c.ts", "b.ts"]]);
  });

  it("reports a planted violation of each kind", () => {
    const planted = [
      'import { readFileSync } from "node:fs";',
      'import { execa } from "execa";',
      'import { WorkerProcess } from "../workers/worker-process.ts";',
      'export { x } from "../cluster/cluster.ts";',
      'const late = await import("hono");',
      'import "../http/app.ts";',
    ];
    for (const line of planted) {
      expect(violations("supervisor/policy/planted.ts", `${line}\n`, RULES), line).toHaveLength(1);
    }
    const inward = 'import { x } from "../requests/generation-run.ts";\n';
    expect(violations("supervisor/cluster/model/planted.ts", inward, RULES)).toEqual([
      "supervisor/cluster/model/planted.ts imports ../requests/generation-run.ts; supervisor/cluster/model may not use supervisor/cluster/requests",
    ]);
    expect(violations("supervisor/newroom/file.ts", "", RULES)).toEqual([
      "supervisor/newroom/file.ts: room supervisor/newroom has no rule",
    ]);
  });

  it("lets execa, lowdb and p-queue in only where they belong", () => {
    const roomsOf = (name: string) =>
      Object.keys(RULES).filter((room) => RULES[room]?.packages.includes(name));
    expect(roomsOf("execa")).toEqual(["supervisor/runtime", "supervisor/workers", "supervisor/compat"]);
    expect(roomsOf("lowdb")).toEqual(["supervisor/store"]);
    expect(roomsOf("p-queue").map((room) => room.split("/")[1])).toEqual([
      "workers",
      ...Array(5).fill("cluster"),
    ]);
  });
});
