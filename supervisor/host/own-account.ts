import { readFileSync } from "node:fs";
import { userInfo } from "node:os";

/** Whom this process runs as, and the group that only this account is in; null: there is none. */
export function ownAccount(groupFile = "/etc/group") {
  const [uid, gid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  const name = accountName() ?? String(uid);
  return { uid, name, privateGroup: privateGroup({ uid, gid, name }, readGroups(groupFile)) };
}

function accountName(): string | null {
  try {
    return userInfo().username;
  } catch {
    // A container's user may have no account.
    return null;
  }
}

function readGroups(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/**
 * As useradd makes one: it has the number and the name of the account, and no other members. A group file that does not
 * tell is no evidence.
 * @param groups in the form of /etc/group
 */
export function privateGroup(
  { uid, gid, name }: { readonly uid: number; readonly gid: number; readonly name: string },
  groups: string,
): number | null {
  if (uid === 0 || uid !== gid) return null;
  const rows = groups.split("\n").map((line) => line.split(":"));
  const [group, ...others] = rows.filter(([, , id]) => id === String(gid));
  const [groupName, , , members = ""] = group ?? [];
  const isAlone = members.split(",").every((member) => member === "" || member === name);
  return others.length === 0 && groupName === name && isAlone ? gid : null;
}
