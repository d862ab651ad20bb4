import { lstatSync } from "node:fs";

/**
 * Why what is in a directory may have been put there by another user than the one it should belong to; null: nobody
 * else may even enter it.
 * @param ownerUid null: any, on a system without user ids
 */
export function whyNotPrivate(directory: string, ownerUid: number | null): string | null {
  try {
    // Not through a link: whoever owns the link chooses where it leads.
    const entry = lstatSync(directory);
    if (!entry.isDirectory()) return `${directory} is no directory`;
    if (ownerUid !== null && entry.uid !== ownerUid)
      return `${directory} belongs to the user with id ${entry.uid}, not to ${ownerUid}`;
    const rights = entry.mode & 0o777;
    return (rights & 0o077) === 0 ? null : `${directory} is open to others (mode 0${rights.toString(8)})`;
  } catch (error) {
    return (error as Error).message;
  }
}
