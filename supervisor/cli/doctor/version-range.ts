/** A Python version, taken apart as PEP 440 orders it. */
interface Version {
  readonly epoch: number;
  readonly release: readonly number[];
  /** `a`, `b` or `rc` and its number; null for a final release. */
  readonly pre: readonly [string, number] | null;
  readonly post: number | null;
  readonly dev: number | null;
}

const VERSION =
  /^v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?(\d*))?(?:-(\d+)|[-_.]?(?:post|rev|r)[-_.]?(\d*))?(?:[-_.]?dev[-_.]?(\d*))?(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?$/i;

const SPELLINGS: Readonly<Record<string, string>> = {
  alpha: "a",
  beta: "b",
  c: "rc",
  pre: "rc",
  preview: "rc",
};

const CLAUSE = /^(==|!=|<=|>=|<|>)\s*(\S+)$/;

/**
 * Whether a version of a Python package lies in a range such as `>=0.31,<0.31.2` (PEP 440, without `~=` and `.*`). The
 * part after `+` that names a build does not count. A version that is none lies in no range.
 * @throws Error when the range itself makes no sense
 */
export function isInRange(version: string, range: string): boolean {
  const found = parseVersion(version);
  return range.split(",").every((clause) => {
    const [, operator = "", text = ""] = CLAUSE.exec(clause.trim()) ?? [];
    const bound = parseVersion(text);
    if (bound === null) throw new Error(`not a version range: ${range}`);
    return found !== null && satisfies(found, operator, bound);
  });
}

function satisfies(version: Version, operator: string, bound: Version): boolean {
  const order = compareVersions(version, bound);
  switch (operator) {
    case "==":
      return order === 0;
    case "!=":
      return order !== 0;
    case "<=":
      return order <= 0;
    case ">=":
      return order >= 0;
    case "<":
      return order < 0 && !leadsTo(version, bound);
    default:
      return order > 0 && !mends(version, bound);
  }
}

/** `<1.0` means the releases before it, not its own candidates. */
function leadsTo(version: Version, bound: Version): boolean {
  if (isPreRelease(bound) || !isPreRelease(version) || !isSameRelease(version, bound)) return false;
  return bound.post === null || (version.pre === null && version.post === bound.post);
}

/** `>1.0` does not mean 1.0.post1, which is 1.0 with its notes mended. */
function mends(version: Version, bound: Version): boolean {
  const isPostOfSame = version.post !== null && bound.post === null && bound.dev === null;
  return isPostOfSame && isSameRelease(version, bound) && String(version.pre) === String(bound.pre);
}

function parseVersion(text: string): Version | null {
  const match = VERSION.exec(text.trim());
  if (match === null) return null;
  const [, epoch, release = "", preWord, preNumber, shortPost, post, dev] = match;
  const word = preWord?.toLowerCase();
  return {
    epoch: Number(epoch ?? 0),
    release: release.split(".").map(Number),
    pre: word === undefined ? null : [SPELLINGS[word] ?? word, Number(preNumber)],
    post: numberOrNull(shortPost ?? post),
    dev: numberOrNull(dev),
  };
}

function numberOrNull(text: string | undefined): number | null {
  return text === undefined ? null : Number(text);
}

function isPreRelease({ pre, dev }: Version): boolean {
  return pre !== null || dev !== null;
}

function isSameRelease(a: Version, b: Version): boolean {
  return a.epoch === b.epoch && compareNumbers(a.release, b.release) === 0;
}

function compareVersions(a: Version, b: Version): number {
  const order = a.epoch - b.epoch || compareNumbers(a.release, b.release);
  return order || compareNumbers(sortKey(a), sortKey(b));
}

/** Within one release: dev, a, b, rc, final, post; a dev release comes before what it leads to. */
function sortKey({ pre, post, dev }: Version): number[] {
  const onlyDev = pre === null && post === null && dev !== null;
  const stage = pre === null ? (onlyDev ? -1 : 3) : ["a", "b", "rc"].indexOf(pre[0]);
  return [stage, pre?.[1] ?? 0, post ?? -1, dev ?? Number.POSITIVE_INFINITY];
}

/** The first difference; what is missing counts as zero. */
function compareNumbers(a: readonly number[], b: readonly number[]): number {
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const [left, right] = [a[index] ?? 0, b[index] ?? 0];
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}
