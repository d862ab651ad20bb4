import { it, type TestContext } from "vitest";
import type { RowId } from "./matrix.ts";

/** What stands behind a row: the shipped worker, a scripted one, or the pure policy under a made-up clock. */
export type RowKind = "real" | "fixture" | "policy";

type RowTest = (context: TestContext) => Promise<void> | void;

const isAll = process.env.CHAOS === "all";
/** Where failing is what is wanted (scripts/guards.ts) waiting may be shorter. Milliseconds. */
const shorter = process.env.CHAOS_TIMEOUT_MS;
/** Real processes on a slow machine. Milliseconds. */
const TIMEOUT_MS = Number(shorter ?? 120_000);
const SLOW_TIMEOUT_MS = Number(shorter ?? 7_200_000);

/**
 * One test of the fault matrix. The page docs/fault-matrix.md is written from the calls in the sources, so id, kind and
 * name must stand in the call as texts.
 */
export function row(id: RowId, _kind: RowKind, name: string, test: RowTest): void {
  it(`${id}: ${name}`, test, TIMEOUT_MS);
}

/** A row that takes too long for every day: runs with CHAOS=all only. */
export function slowRow(id: RowId, _kind: RowKind, name: string, test: RowTest): void {
  it.runIf(isAll)(`${id}: ${name}`, test, SLOW_TIMEOUT_MS);
}
