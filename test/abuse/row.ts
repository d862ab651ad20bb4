import { it, type TestContext } from "vitest";
import type { AbuseId } from "./matrix.ts";

type RowTest = (context: TestContext) => Promise<void> | void;

/** `npm run abuse`: everything, and with the bounds that are meant. `npm test` runs the quick rows with wide ones. */
export const isWhole = process.env.ABUSE === "all";
/** ABUSE=quick: the slow rows as well, but with the sizes and bounds of `npm test`. */
const withSlowRows = process.env.ABUSE !== undefined;
/** Where failing is what is wanted (scripts/guards.ts) waiting may be shorter. Milliseconds. */
const TIMEOUT_MS = Number(process.env.CHAOS_TIMEOUT_MS ?? 300_000);

/** One test of the abuse suite. The page docs/abuse.md is written from the calls, so id and name must stand in them as texts. */
export function abuse(id: AbuseId, name: string, test: RowTest): void {
  it(`${id}: ${name}`, test, TIMEOUT_MS);
}

/** One that takes too long, or is too hard on a machine that tests other things: runs with `npm run abuse` only. */
export function slowAbuse(id: AbuseId, name: string, test: RowTest): void {
  it.runIf(withSlowRows)(`${id}: ${name}`, test, TIMEOUT_MS);
}
