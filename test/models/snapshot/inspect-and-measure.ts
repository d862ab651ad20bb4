import { inspectSnapshot } from "../../../supervisor/models/snapshot/inspect-snapshot.ts";
import { measureWork } from "../measure-work.ts";

/** Inspects a directory several times and prints what the cheapest time cost. */
const [directory = "", rounds = "1"] = process.argv.slice(2);
const { result, ...cost } = await measureWork(Number(rounds), () => inspectSnapshot(directory));
console.log(JSON.stringify({ kinds: result.problems.map(({ kind }) => kind), ...cost }));
