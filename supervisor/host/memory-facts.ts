/** How much memory this machine has and has left, in bytes. Null: it could not be found out. */
export interface MachineMemory {
  readonly totalBytes: number | null;
  /** What could be taken now without swapping. */
  readonly availableBytes: number | null;
  /** What this process and its children, or the GPU, may take at most; null: no limit is known. */
  readonly limitBytes: number | null;
  /** Where the numbers come from, in words. */
  readonly source: string;
}
