import { expect, it } from "vitest";
import { readPage, shapeOf, writePage } from "./transcript.ts";

const PAGE = `# Title

\`\`\`
$ lmx ps
MODEL  STATE
a      routable

$ true
$ lmx audit
one row
\`\`\`

<!-- step: crash a 3 -->

\`\`\`yaml
not: a command
\`\`\`
`;

it("finds commands with their output, steps, and leaves the rest of the page as it is", () => {
  const parts = readPage(PAGE);
  expect(parts.filter(({ kind }) => kind !== "prose")).toEqual([
    { kind: "command", command: "lmx ps", output: "MODEL  STATE\na      routable\n" },
    { kind: "command", command: "true", output: "" },
    { kind: "command", command: "lmx audit", output: "one row\n" },
    { kind: "step", text: "<!-- step: crash a 3 -->\n", words: ["crash", "a", "3"] },
  ]);
  expect(writePage(parts).replaceAll("\n", "")).toBe(PAGE.replaceAll("\n", ""));
  expect(writePage(readPage(writePage(parts)))).toBe(writePage(parts));
});

it("takes outputs for the same that differ in times, sizes, pids and ids only", () => {
  const one =
    "a  routable  23695  1.6 MiB  27s  2026-11-21 12:20  20261121T122103818Z-221a29  restarted after 1.0 s";
  const two =
    "a  routable  411    21.5 GiB  1m 3s  2027-01-01 00:00  20270101T000000000Z-abcdef  restarted after 12 s";
  expect(shapeOf(one)).toBe(shapeOf(two));
  expect(shapeOf(one)).not.toBe(shapeOf(one.replace("routable", "loading")));
  expect(shapeOf(one)).not.toBe(shapeOf(one.replace("restarted", "quarantined")));
  expect(shapeOf("loading (half_open)")).toBe(shapeOf("admitted (half_open)"));
  expect(shapeOf("loading")).not.toBe(shapeOf("admitted"));
});
