import type { SnapshotProblem } from "../../policy/admission/snapshot-facts.ts";
import { forEachPaced, type Pacer } from "./pacer.ts";
import type { Tensor } from "./tensor.ts";

/** The tensors of all shards by name, as mlx_lm puts them together: one name, one tensor, whichever file came last. */
export class WeightTable {
  readonly byName = new Map<string, Tensor>();
  readonly #duplicates = new Map<string, { files: [string, string]; tensor: string; count: number }>();

  async add(tensors: readonly Tensor[], pacer: Pacer): Promise<void> {
    await forEachPaced(tensors, (tensor) => this.#addOne(tensor), pacer);
  }

  #addOne(tensor: Tensor): void {
    const { name, file } = tensor;
    const other = this.byName.get(name);
    if (other === undefined) this.byName.set(name, tensor);
    else {
      const pair = `${other.file}\n${file}`;
      const known = this.#duplicates.get(pair);
      if (known === undefined)
        this.#duplicates.set(pair, { files: [other.file, file], tensor: name, count: 1 });
      else known.count += 1;
    }
  }

  get hasDuplicates(): boolean {
    return this.#duplicates.size > 0;
  }

  /** Which of two copies mlx_lm uses depends on the order in which the file system lists the files. */
  duplicates(indexed: ReadonlySet<string>): SnapshotProblem[] {
    return [...this.#duplicates.values()].map(({ files, tensor, count }) => {
      const strays = indexed.size === 0 ? [] : files.filter((file) => !indexed.has(file));
      return {
        kind: "duplicate-tensor",
        files,
        tensor,
        count,
        stray: strays.length === 1 ? (strays[0] ?? null) : null,
      };
    });
  }
}
