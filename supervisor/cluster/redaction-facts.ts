import { realpathSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import type { RedactionFacts } from "../policy/redact.ts";

/**
 * What must not stand in a file about this machine and user: nothing in it names the user or opens a door.
 * @param secrets keys that open this service, asked anew each time: a reload may change them
 */
export function redactionFacts(secrets: () => readonly string[]): () => RedactionFacts {
  const home = homedir();
  // HOME may say something else than the system does.
  const homes = [home, accountHome() ?? home].flatMap((one) => [one, realPathOf(one)]);
  const { HF_TOKEN: token = "", HUGGING_FACE_HUB_TOKEN: older = "" } = process.env;
  return () => ({ homes, secrets: [...secrets(), token, older] });
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
