/** What must not stand in a file that people pass on. */
export interface RedactionFacts {
  /** The user's home directory under all its names; shown as `~`. */
  readonly homes: readonly string[];
  /** Keys this service knows. */
  readonly secrets: readonly string[];
}

/** Shorter words are not taken for keys: they would be cut out of everything. */
const SHORTEST_SECRET = 6;

const REDACTED = "[redacted]";

/** Keys of well-known services by their prefixes, tokens by their form. Every repetition is bounded. */
const KEY_FORMS: readonly RegExp[] = [
  // With or without its end: what was said last may have been cut off.
  /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:(?:\s|\\n){1,4}[\w+/=]{4,128}){0,200}(?:(?:\s|\\n){0,4}-----END [A-Z ]{0,40}PRIVATE KEY-----)?/g,
  /\b(?:sk|pk)-[\w-]{12,300}/g,
  /\b(?:hf|ghp|gho|ghs|ghu|glpat|xox[abprs]|github_pat)[_-][\w-]{12,300}/g,
  /\bAKIA[0-9A-Z]{16}\b/g,
  /\bAIza[\w-]{30,60}/g,
  /\beyJ[\w-]{8,2000}\.[\w-]{4,4000}\.[\w-]{0,2000}/g,
];

/** `token=…`, `"api_key": "…"`, `Authorization: Bearer …`, `https://user:password@…`: the name stays. */
const NAMED_VALUES: readonly RegExp[] = [
  /(\b(?:bearer|basic)\s{1,4})[\w+/.~=-]{8,4000}/gi,
  /((?:api[_-]?key|secret|passw(?:or)?d|token|authorization|credentials?)["']?\s{0,4}[:=]\s{0,4}["']?)(?!bearer\b|basic\b|\[redacted\])[\w+/.~=-]{8,4000}/gi,
  /(\b[a-z][a-z\d+.-]{1,20}:\/\/[^\s/:@]{0,200}:)[^\s/@]{1,200}(?=@)/gi,
];

/** The text without keys, and with `~` for the home directory. Idempotent. */
export function redact(text: string, { homes, secrets }: RedactionFacts): string {
  let result = text;
  for (const secret of longestFirst(secrets.filter(({ length }) => length >= SHORTEST_SECRET)))
    result = result.replaceAll(secret, REDACTED);
  for (const form of KEY_FORMS) result = result.replace(form, REDACTED);
  for (const form of NAMED_VALUES) result = result.replace(form, (_, name: string) => `${name}${REDACTED}`);
  for (const home of longestFirst(homes)) result = withoutHome(result, home);
  return result;
}

/** A longer one may contain a shorter one. */
function longestFirst(texts: readonly string[]): string[] {
  return [...new Set(texts)].toSorted((one, other) => other.length - one.length);
}

function withoutHome(text: string, home: string): string {
  const path = home.replace(/\/+$/, "");
  // The root, or nothing at all, is nobody's home.
  if (path === "") return text;
  // Not the beginning of a neighbour's name: /home/al in /home/alice. File systems may not tell case apart.
  return text.replace(new RegExp(`${escaped(path)}(?![\\w-]|\\.\\w)`, "gi"), "~");
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
