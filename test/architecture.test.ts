import { describe, expect, it } from "vitest";
import { type ImportRule, readSource, sourcesUnder, violations } from "./support/import-rules.ts";

const allBelowMain = [
  "shared",
  "supervisor/json",
  "supervisor/policy",
  "supervisor/models",
  "supervisor/host",
  "supervisor/runtime",
  "supervisor/rpc",
  "supervisor/process",
  "supervisor/store",
  "supervisor/cluster",
  "supervisor/http",
];

/** Room → what it may import. A room sees itself and rooms above it in this list, never below. */
const RULES: Readonly<Record<string, ImportRule>> = {
  shared: { rooms: [], packages: ["zod"], node: false },
  "supervisor/policy": { rooms: ["shared"], packages: [], node: false },
  "supervisor/json": { rooms: ["shared"], packages: [], node: true },
  "supervisor/models": {
    rooms: ["shared", "supervisor/json", "supervisor/policy", "supervisor/host"],
    packages: ["zod"],
    node: true,
  },
  "supervisor/host": { rooms: ["shared"], packages: ["zod"], node: true },
  "supervisor/runtime": {
    rooms: ["shared", "supervisor/policy", "supervisor/host"],
    packages: ["execa", "zod"],
    node: true,
  },
  "supervisor/rpc": { rooms: ["shared", "supervisor/json"], packages: [], node: false },
  "supervisor/process": {
    rooms: ["shared", "supervisor/policy", "supervisor/host", "supervisor/rpc"],
    packages: ["execa"],
    node: true,
  },
  "supervisor/store": {
    rooms: ["shared", "supervisor/json", "supervisor/policy", "supervisor/host"],
    packages: ["lowdb", "zod"],
    node: true,
  },
  "supervisor/cluster": {
    rooms: [
      "shared",
      "supervisor/json",
      "supervisor/policy",
      "supervisor/models",
      "supervisor/host",
      "supervisor/rpc",
      "supervisor/process",
      "supervisor/store",
    ],
    packages: ["p-queue", "pino", "zod"],
    node: true,
  },
  "supervisor/http": {
    rooms: ["shared", "supervisor/json", "supervisor/policy", "supervisor/host", "supervisor/cluster"],
    packages: ["hono", "@hono/node-server", "@hono/zod-openapi", "pino", "piscina", "prom-client", "zod"],
    node: true,
  },
  "supervisor/config": {
    rooms: ["shared", "supervisor/models", "supervisor/host"],
    packages: ["yaml", "zod"],
    node: true,
  },
  "supervisor/load-config.ts": {
    rooms: ["shared", "supervisor/config", "supervisor/host"],
    packages: ["zod"],
    node: true,
  },
  "supervisor/cli": {
    rooms: [
      "shared",
      "supervisor/policy",
      "supervisor/models",
      "supervisor/host",
      // The doctor reads files as the service would.
      "supervisor/store",
      "supervisor/runtime",
      "supervisor/config",
      "supervisor/exposed-paths.ts",
      "supervisor/load-config.ts",
    ],
    packages: ["pino-pretty", "zod"],
    node: true,
  },
  "supervisor/service-status.ts": { rooms: allBelowMain, packages: [], node: false },
  "supervisor/supervisor.ts": {
    rooms: [
      ...allBelowMain,
      "supervisor/audited-sweep.ts",
      "supervisor/compose-cluster.ts",
      "supervisor/exposed-paths.ts",
      "supervisor/live-config.ts",
      "supervisor/load-config.ts",
      "supervisor/note-in-audit.ts",
      "supervisor/open-admin-socket.ts",
      "supervisor/open-state.ts",
      "supervisor/service-mode.ts",
      "supervisor/service-status.ts",
      "supervisor/stop-service.ts",
      "supervisor/unasked-loads.ts",
    ],
    packages: ["pino"],
    node: true,
  },
  "supervisor/audited-sweep.ts": {
    rooms: ["supervisor/cluster", "supervisor/http", "supervisor/store", "supervisor/note-in-audit.ts"],
    packages: [],
    node: false,
  },
  "supervisor/exposed-paths.ts": {
    rooms: ["supervisor/policy", "supervisor/models", "supervisor/host", "supervisor/load-config.ts"],
    packages: ["pino"],
    node: true,
  },
  "supervisor/note-in-audit.ts": {
    rooms: ["supervisor/host", "supervisor/store"],
    packages: [],
    node: false,
  },
  "supervisor/stop-service.ts": {
    rooms: ["supervisor/host", "supervisor/cluster", "supervisor/http"],
    packages: [],
    node: false,
  },
  "supervisor/unasked-loads.ts": {
    rooms: [
      "supervisor/policy",
      "supervisor/cluster",
      "supervisor/open-state.ts",
      "supervisor/service-mode.ts",
    ],
    packages: ["pino"],
    node: false,
  },
  "supervisor/compose-cluster.ts": {
    rooms: [
      ...allBelowMain,
      "supervisor/load-config.ts",
      "supervisor/note-in-audit.ts",
      "supervisor/open-state.ts",
    ],
    packages: ["pino"],
    node: false,
  },
  "supervisor/live-config.ts": {
    rooms: [
      "shared",
      "supervisor/policy",
      "supervisor/host",
      "supervisor/store",
      "supervisor/cluster",
      "supervisor/config",
      "supervisor/load-config.ts",
      "supervisor/note-in-audit.ts",
    ],
    packages: ["pino"],
    node: false,
  },
  "supervisor/open-admin-socket.ts": {
    rooms: ["supervisor/host", "supervisor/http", "supervisor/load-config.ts"],
    packages: [],
    node: true,
  },
  "supervisor/open-state.ts": {
    rooms: ["supervisor/host", "supervisor/store", "supervisor/load-config.ts"],
    packages: ["pino"],
    node: true,
  },
  "supervisor/service-mode.ts": {
    rooms: ["supervisor/policy", "supervisor/host", "supervisor/store"],
    packages: ["pino"],
    node: false,
  },
  "supervisor/stop-signals.ts": { rooms: [], packages: [], node: false },
  "supervisor/serve.ts": {
    rooms: [
      ...allBelowMain,
      "supervisor/cli",
      "supervisor/config",
      "supervisor/load-config.ts",
      "supervisor/service-log.ts",
      "supervisor/stop-signals.ts",
      "supervisor/supervisor.ts",
    ],
    packages: ["pino"],
    node: false,
  },
  "supervisor/service-log.ts": {
    rooms: ["shared", "supervisor/host", "supervisor/cli", "supervisor/load-config.ts"],
    packages: ["pino"],
    node: true,
  },
  "supervisor/main.ts": {
    rooms: ["supervisor/cli", "supervisor/host", "supervisor/serve.ts"],
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

  it("reports a planted violation of each kind", () => {
    const planted = [
      'import { readFileSync } from "node:fs";',
      'import { execa } from "execa";',
      'import { WorkerProcess } from "../process/worker-process.ts";',
      'export { x } from "../cluster/cluster.ts";',
      'const late = await import("hono");',
      'import "../http/app.ts";',
    ];
    for (const line of planted) {
      expect(violations("supervisor/policy/planted.ts", `${line}\n`, RULES), line).toHaveLength(1);
    }
    expect(violations("supervisor/newroom/file.ts", "", RULES)).toEqual([
      "supervisor/newroom/file.ts: room supervisor/newroom has no rule",
    ]);
  });

  it("lets execa, lowdb and p-queue in only where they belong", () => {
    const roomsOf = (name: string) =>
      Object.keys(RULES).filter((room) => RULES[room]?.packages.includes(name));
    expect(roomsOf("execa")).toEqual(["supervisor/runtime", "supervisor/process"]);
    expect(roomsOf("lowdb")).toEqual(["supervisor/store"]);
    expect(roomsOf("p-queue")).toEqual(["supervisor/cluster"]);
  });
});
