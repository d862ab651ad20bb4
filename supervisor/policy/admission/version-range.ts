/**
 * Python versions and ranges of them, as PEP 440 defines them: `0.32.2`, `1.0rc1`, `>=0.31,!=0.31.2`.
 * Pre-releases count as members of a range, unlike in an installer: an advisory is about what runs here.
 */

/** A version in comparable parts. Missing parts sort where PEP 440 puts them, see `compareVersions`. */
export interface Version {
  readonly epoch: number;
  readonly release: readonly number[];
  readonly pre: readonly [phase: "a" | "b" | "rc", number: number] | null;
  readonly post: number | null;
  readonly dev: number | null;
  readonly local: readonly (number | string)[];
}

const VERSION =
  /^v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[-_.]?(a|b|c|rc|alpha|beta|pre|preview)[-_.]?(\d+)?)?(?:-(\d+)|[-_.]?(post|rev|r)[-_.]?(\d+)?)?(?:[-_.]?(dev)[-_.]?(\d+)?)?(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?$/;
/** Longer text is no version: the pattern above is linear, but nobody needs to try it on a megabyte. */
const MAX_TEXT = 256;

/** Null: not a PEP 440 version. */
export function parseVersion(text: string): Version | null {
  if (text.length > MAX_TEXT) return null;
  const match = VERSION.exec(text.trim().toLowerCase());
  if (match === null) return null;
  const [, epoch, release = "", phase, preNumber, implicitPost, postWord, postNumber, dev, devNumber, local] =
    match;
  const isPost = implicitPost !== undefined || postWord !== undefined;
  return {
    epoch: Number(epoch ?? 0),
    release: release.split(".").map(Number),
    pre: phase === undefined ? null : [phaseOf(phase), Number(preNumber ?? 0)],
    post: isPost ? Number(implicitPost ?? postNumber ?? 0) : null,
    dev: dev === undefined ? null : Number(devNumber ?? 0),
    local:
      local === undefined
        ? []
        : local.split(/[-_.]/).map((part) => (/^\d+$/.test(part) ? Number(part) : part)),
  };
}

function phaseOf(word: string): "a" | "b" | "rc" {
  if (word === "a" || word === "alpha") return "a";
  return word === "b" || word === "beta" ? "b" : "rc";
}

/** Negative: a is older. Trailing zeros of a release mean nothing: 1.0 equals 1. */
export function compareVersions(a: Version, b: Version): number {
  return comparePublic(a, b) || compareLocal(a.local, b.local);
}

/** The same for texts, so that any two can be sorted: what is no version comes first, by its characters. */
export function compareVersionTexts(a: string, b: string): number {
  const [left, right] = [parseVersion(a), parseVersion(b)];
  if (left !== null && right !== null) return compareVersions(left, right);
  if (left === null && right === null) return a === b ? 0 : a < b ? -1 : 1;
  return left === null ? -1 : 1;
}

function comparePublic(a: Version, b: Version): number {
  return (
    a.epoch - b.epoch ||
    compareNumbers(a.release, b.release) ||
    compareNumbers(preKey(a), preKey(b)) ||
    (a.post ?? -1) - (b.post ?? -1) ||
    order(a.dev ?? Infinity, b.dev ?? Infinity)
  );
}

/** 1.0.dev1 < 1.0a1.dev1 < 1.0a1 < 1.0rc1 < 1.0 < 1.0.post1.dev1: a lone dev release sorts before every alpha. */
function preKey({ pre, post, dev }: Version): number[] {
  if (pre !== null) return [["a", "b", "rc"].indexOf(pre[0]), pre[1]];
  return [post === null && dev !== null ? -1 : 3, 0];
}

function compareNumbers(a: readonly number[], b: readonly number[]): number {
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const difference = order(a[index] ?? 0, b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Numbers sort after words, and a longer label after its own beginning. */
function compareLocal(a: Version["local"], b: Version["local"]): number {
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const [left, right] = [a[index], b[index]];
    if (left === right) continue;
    if (left === undefined) return -1;
    if (right === undefined) return 1;
    if (typeof left === "number") return typeof right === "number" ? order(left, right) : 1;
    return typeof right === "number" || left < right ? -1 : 1;
  }
  return 0;
}

function order(a: number, b: number): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

type Operator = "==" | "!=" | "<=" | ">=" | "<" | ">" | "~=" | "===";

interface Clause {
  readonly operator: Operator;
  readonly text: string;
  /** Null for `===`, which compares text. */
  readonly version: Version | null;
  /** `==1.2.*`: any version that begins so. */
  readonly isPrefix: boolean;
}

/** Clauses joined by commas, all of which a version has to meet; no clause at all means every version. */
export interface VersionRange {
  readonly clauses: readonly Clause[];
}

/** Null: not a PEP 440 specifier. */
export function parseRange(text: string): VersionRange | null {
  const parts = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  const clauses = parts.map(parseClause);
  return clauses.every((clause) => clause !== null) ? { clauses } : null;
}

function parseClause(text: string): Clause | null {
  const match = /^(===|==|!=|<=|>=|~=|<|>)\s*(\S+)$/.exec(text);
  if (match === null) return null;
  const operator = match[1] as Operator;
  const written = match[2] ?? "";
  if (operator === "===") return { operator, text: written, version: null, isPrefix: false };
  const isPrefix = written.endsWith(".*");
  if (isPrefix && operator !== "==" && operator !== "!=") return null;
  const version = parseVersion(isPrefix ? written.slice(0, -2) : written);
  if (version === null) return null;
  if (isPrefix && !isFinal(version)) return null;
  if (operator === "~=" && version.release.length < 2) return null;
  const takesLocal = operator === "==" || operator === "!=";
  if (version.local.length > 0 && !takesLocal) return null;
  return { operator, text: written, version, isPrefix };
}

/** Whether a version lies in a range; a text that is no version lies in none but the empty one. */
export function isInRange(version: string, range: VersionRange): boolean {
  const parsed = parseVersion(version);
  return range.clauses.every((clause) => {
    if (clause.version === null) return version.trim().toLowerCase() === clause.text.toLowerCase();
    return parsed !== null && meets(parsed, clause.operator, clause.version, clause.isPrefix);
  });
}

function meets(version: Version, operator: Operator, bound: Version, isPrefix: boolean): boolean {
  switch (operator) {
    case "==":
      return isPrefix ? beginsWith(version, bound) : isEqual(version, bound);
    case "!=":
      return !(isPrefix ? beginsWith(version, bound) : isEqual(version, bound));
    case "<=":
      return comparePublic(version, bound) <= 0;
    case ">=":
      return comparePublic(version, bound) >= 0;
    case "<":
      // 1.0rc1 is not "before 1.0" for whoever writes <1.0, but it is before 1.0rc2.
      return comparePublic(version, isPreRelease(bound) ? bound : { ...bound, dev: 0 }) < 0;
    case ">":
      // 1.0.post1 is not "after 1.0" for whoever writes >1.0.
      return comparePublic(version, bound) > 0 && (bound.post !== null || !isPostOf(version, bound));
    case "~=":
      return (
        comparePublic(version, bound) >= 0 &&
        beginsWith(version, { ...bound, release: bound.release.slice(0, -1) })
      );
    case "===":
      return false;
    default:
      return operator satisfies never;
  }
}

/** A bound without a local label does not ask for one: 1.0+cu12 equals 1.0. */
function isEqual(version: Version, bound: Version): boolean {
  return bound.local.length === 0
    ? comparePublic(version, bound) === 0
    : compareVersions(version, bound) === 0;
}

function beginsWith(version: Version, prefix: Version): boolean {
  const begins = prefix.release.every((part, index) => part === (version.release[index] ?? 0));
  return begins && version.epoch === prefix.epoch;
}

function isPreRelease({ pre, dev }: Version): boolean {
  return pre !== null || dev !== null;
}

function isFinal(version: Version): boolean {
  return !isPreRelease(version) && version.post === null && version.local.length === 0;
}

function isPostOf(version: Version, bound: Version): boolean {
  return version.post !== null && comparePublic({ ...version, post: null, dev: null }, bound) === 0;
}
