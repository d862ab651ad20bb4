import type { Compatibility } from "../../../shared/admin.ts";
import type { RegistryEntry } from "../../../shared/registry.ts";
import { compareVersions, compareVersionTexts, parseVersion, type Version } from "./version-range.ts";

type MatrixRow = Compatibility["matrix"][number];
type MatrixCell = MatrixRow["cells"][number];
type Regression = Compatibility["regressions"][number];

/** Before the name of a model whose rows come from a small copy of its architecture with made-up weights. */
const REDUCED_PREFIX = "reduced/";

/**
 * Model by backend version: how it went there last, and how often it passed and failed. Models by name, cells by
 * backend and then from the oldest version to the newest.
 * @param entries oldest first, as the registry gives them: the clock may have been set back between two rows
 */
export function matrixOf(entries: readonly RegistryEntry[]): MatrixRow[] {
  const rows = [...Map.groupBy(entries, subjectOf)].map(([model, ofModel]) => ({
    model,
    cells: [...Map.groupBy(ofModel, columnOf).values()].flatMap(cellOf).toSorted(compareCells),
  }));
  return rows.toSorted((a, b) => compareTexts(a.model, b.model));
}

/**
 * Versions on which a model fails that passed on an older one, and has not passed there since. A drifted answer is
 * neither a pass nor a failure; a version that is no PEP 440 version is neither older nor newer than another.
 * By model and backend, the newest failing version first.
 * @param entries oldest first, as the registry gives them
 */
export function regressionsOf(entries: readonly RegistryEntry[]): Regression[] {
  const groups = [...Map.groupBy(entries, (entry) => JSON.stringify([subjectOf(entry), entry.backend]))];
  const found = groups.flatMap(([, ofModel]) => regressionsOfOne(versionsOf(ofModel)));
  return found.toSorted(
    (a, b) =>
      compareTexts(a.model, b.model) ||
      compareTexts(a.backend, b.backend) ||
      compareVersionTexts(b.failed_on, a.failed_on),
  );
}

/** Who a row is about: a reduced copy says nothing of the real weights, whatever name its row has. */
function subjectOf({ model, metadata }: RegistryEntry): string {
  return metadata.reduced === true && !model.startsWith(REDUCED_PREFIX) ? `${REDUCED_PREFIX}${model}` : model;
}

function columnOf({ backend, backend_version }: RegistryEntry): string {
  return JSON.stringify([backend, backend_version]);
}

function cellOf(entries: readonly RegistryEntry[]): MatrixCell[] {
  const newest = entries.at(-1);
  if (newest === undefined) return [];
  const { backend, backend_version, outcome, reason, ts } = newest;
  const count = (of: RegistryEntry["outcome"]) => entries.filter((entry) => entry.outcome === of).length;
  return [{ backend, backend_version, outcome, reason, ts, passes: count("pass"), fails: count("fail") }];
}

function compareCells(a: MatrixCell, b: MatrixCell): number {
  return (
    compareTexts(a.backend, b.backend) ||
    compareVersionTexts(a.backend_version, b.backend_version) ||
    compareTexts(a.backend_version, b.backend_version)
  );
}

/** Rows of one version, whichever way it was written: 1.0 is 1.0.0. */
interface VersionRows {
  readonly version: Version;
  readonly entries: RegistryEntry[];
}

/** The versions of some rows, oldest first. */
function versionsOf(entries: readonly RegistryEntry[]): VersionRows[] {
  const versions: VersionRows[] = [];
  for (const entry of entries) {
    const version = parseVersion(entry.backend_version);
    if (version === null) continue;
    const known = versions.find((other) => compareVersions(other.version, version) === 0);
    if (known === undefined) versions.push({ version, entries: [entry] });
    else known.entries.push(entry);
  }
  return versions.toSorted((a, b) => compareVersions(a.version, b.version));
}

/** @param versions of one model on one backend, oldest first */
function regressionsOfOne(versions: readonly VersionRows[]): Regression[] {
  const regressions: Regression[] = [];
  let passedOn: string | null = null;
  for (const { entries } of versions) {
    const verdict = entries.findLast(({ outcome }) => outcome !== "drift");
    if (verdict?.outcome === "fail" && passedOn !== null) {
      const { backend, backend_version: failed_on, reason, ts } = verdict;
      regressions.push({ model: subjectOf(verdict), backend, passed_on: passedOn, failed_on, reason, ts });
    }
    passedOn = entries.findLast(({ outcome }) => outcome === "pass")?.backend_version ?? passedOn;
  }
  return regressions;
}

function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
