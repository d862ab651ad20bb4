import { expect, it } from "vitest";
import type { Figure, FigureResult } from "./figure.ts";
import { renderTable } from "./render-table.ts";

const figure: Figure = {
  name: "speed",
  title: "4 streams",
  unit: "tokens/s",
  subjects: ["bare", "opta-lmx"],
  goals: [
    { kind: "ratio", of: "opta-lmx", against: "bare", direction: "at-least", value: 0.9 },
    { kind: "limit", of: "opta-lmx", statistic: "median", direction: "at-least", value: 100 },
  ],
  measure: async () => [],
};

it("renders medians, ranges and goals, and only the columns that some figure has", () => {
  const result: FigureResult = {
    figure,
    samples: { bare: [[100], [120]], "opta-lmx": [[95], [97]] },
    failures: {},
  };
  expect(renderTable([result])).toBe(
    [
      "| figure | bare loop | Opta-LMX | goal | result |",
      "| --- | --- | --- | --- | --- |",
      "| 4 streams, tokens/s | **110** (100–120) | **96.0** (95.0–97.0) | ≥ 0.9 × bare<br>≥ 100 tokens/s median | 0.88 × **missed**<br>96.0 tokens/s **missed** |",
    ].join("\n"),
  );
});

it("says that a subject failed instead of showing what it did before", () => {
  const result: FigureResult = {
    figure,
    samples: { bare: [[100]], "opta-lmx": [[95]] },
    failures: { "opta-lmx": "HTTP 503" },
  };
  expect(renderTable([result])).toContain("| **100** (100–100) | failed |  |  |");
});

it("adds the 95th percentile where there are enough samples for one", () => {
  const samples = Array.from({ length: 101 }, (_, index) => index);
  const result: FigureResult = {
    figure: { ...figure, goals: [] },
    samples: { bare: [samples] },
    failures: {},
  };
  expect(renderTable([result])).toContain("**50.0** (0.00–100; p95 95.0)");
});
