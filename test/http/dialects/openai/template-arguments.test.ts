import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { packageFiles } from "../../../../supervisor/host/package-files.ts";
import { RESERVED_TEMPLATE_ARGUMENTS } from "../../../../supervisor/http/dialects/openai/template-arguments.ts";

it("the worker reserves the same template arguments", () => {
  const source = readFileSync(
    join(packageFiles().workerDirectory, "lmx_worker", "prompt", "prompt.py"),
    "utf8",
  );
  const [, list = ""] = /RESERVED_TEMPLATE_ARGUMENTS = frozenset\(\s*\{([^}]*)\}/.exec(source) ?? [];
  expect([...list.matchAll(/"(\w+)"/g)].map(([, name]) => name)).toEqual(RESERVED_TEMPLATE_ARGUMENTS);
});
