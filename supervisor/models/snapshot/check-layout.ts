import type { SnapshotProblem } from "../../policy/admission/snapshot-facts.ts";
import { type Pacer, sortPaced } from "./pacer.ts";
import { sizeOf, type Tensor } from "./tensor.ts";

/**
 * Whether the tensors of one file lie where they can: inside the file, each as long as its shape says, none on
 * another. Gaps are noted only, mlx loads such files.
 *
 * @param dataBytes what the file holds behind its header
 * @param headerEnd bytes up to there
 */
export async function checkLayout(
  file: string,
  tensors: readonly Tensor[],
  { dataBytes, headerEnd, pacer }: { dataBytes: number; headerEnd: number; pacer: Pacer },
): Promise<SnapshotProblem[]> {
  const placed = await sortPaced(tensors, (a, b) => a.begin - b.begin || a.end - b.end, pacer);
  const problems: SnapshotProblem[] = [];
  let covered = 0;
  let gaps = 0;
  let last: Tensor | null = null;
  for (const [index, tensor] of placed.entries()) {
    if (index % 1024 === 0) await pacer.pause();
    const expectedBytes = sizeOf(tensor.dtype, tensor.shape);
    const foundBytes = tensor.end - tensor.begin;
    if (expectedBytes !== foundBytes && !problems.some(({ kind }) => kind === "wrong-size"))
      problems.push({ kind: "wrong-size", file, tensor: tensor.name, expectedBytes, foundBytes });
    if (foundBytes === 0) continue;
    if (tensor.begin < covered && last !== null && !problems.some(({ kind }) => kind === "overlap"))
      problems.push({ kind: "overlap", file, tensors: [last.name, tensor.name] });
    gaps += Math.max(0, tensor.begin - covered);
    if (tensor.end >= covered) last = tensor;
    covered = Math.max(covered, tensor.end);
  }
  if (covered > dataBytes)
    problems.push({
      kind: "truncated",
      file,
      expectedBytes: headerEnd + covered,
      foundBytes: headerEnd + dataBytes,
    });
  else if (gaps + dataBytes - covered > 0)
    problems.push({ kind: "padding", file, bytes: gaps + dataBytes - covered });
  return problems;
}
