import type { Cluster } from "../cluster/cluster.ts";

/** What is on record stands under a model's id: the id of a name in a query, or the name itself when nothing is called so now. */
export function modelFilter(cluster: Pick<Cluster, "model">, name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  try {
    return cluster.model(name).id;
  } catch {
    // Of a model that is not on disk any more, the records remain.
    return name;
  }
}
