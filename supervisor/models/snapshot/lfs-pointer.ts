/** What a clone without Git LFS leaves in the place of a large file. */
export function isLfsPointer(beginning: Buffer): boolean {
  return beginning.toString("latin1", 0, 24).startsWith("version https://git-lfs");
}
