import { realpathSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import type { RedactionFacts } from "../policy/redact.ts";

/** What is shorter is a stand-in, such as OPENAI_API_KEY=ollama: a word that texts may have. Characters. */
const SHORTEST_FOREIGN_KEY = 16;

/**
 * What must not stand in a file about this machine and user: nothing in it names the user or opens a door.
 * @param keys those that open this service, asked anew each time: a reload may change them
 * @param otherSecrets keys of other services that this one was started with
 */
export function redactionFacts(
  keys: () => readonly string[],
  otherSecrets: readonly string[],
): () => RedactionFacts {
  const home = homedir();
  // HOME may say something else than the system does.
  const homes = [home, accountHome() ?? home].flatMap((one) => [one, realPathOf(one)]);
  const others = otherSecrets.filter(({ length }) => length >= SHORTEST_FOREIGN_KEY);
  return () => ({ homes, secrets: [...keys(), ...others] });
}

function accountHome(): string | null {
  try {
    return userInfo().homedir;
  } catch {
    // A container's user may have no account.
    return null;
  }
}

function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
