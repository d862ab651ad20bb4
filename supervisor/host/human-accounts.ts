import { readdir, readFile } from "node:fs/promises";

/** Below are the system's own accounts, above the ones that stand for nobody. */
const FIRST_HUMAN_UID = 1_000;
const NOBODY_UID = 65_534;
/** What stands where a login shell would be, for accounts nobody logs in to. */
const NO_LOGIN = /(?:^|\/)(?:nologin|false|true|sync|halt|shutdown|git-shell)$/;
/** Folders beside the home directories of a Mac that are nobody's. */
const NOBODYS_HOMES = new Set(["Shared", "Guest", "Deleted Users"]);

/** Names of the accounts of this machine that people log in to; none where that cannot be told. */
export async function humanAccounts(platform: NodeJS.Platform = process.platform): Promise<string[]> {
  try {
    if (platform === "linux") return accountsInPasswd(await readFile("/etc/passwd", "utf8"));
    if (platform !== "darwin") return [];
    const entries = await readdir("/Users", { withFileTypes: true });
    return accountsWithHomes(entries.filter((entry) => entry.isDirectory()).map(({ name }) => name));
  } catch {
    return [];
  }
}

/** Of the text of /etc/passwd. Accounts of a directory service do not stand there. */
export function accountsInPasswd(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const [name = "", , uid = "", , , , shell] = line.trim().split(":");
    if (shell === undefined || NO_LOGIN.test(shell) || !/^\d+$/.test(uid)) return [];
    return Number(uid) >= FIRST_HUMAN_UID && Number(uid) < NOBODY_UID ? [name] : [];
  });
}

/** Of the names in /Users. */
export function accountsWithHomes(names: readonly string[]): string[] {
  return names.filter((name) => !name.startsWith(".") && !NOBODYS_HOMES.has(name));
}
