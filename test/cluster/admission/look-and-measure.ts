import { FileLooks } from "../../../supervisor/cluster/admission/file-looks.ts";
import { inspectSnapshot } from "../../../supervisor/models/snapshot/inspect-snapshot.ts";
import { measureWork } from "../../models/measure-work.ts";

/** Asks for looks at all these directories at once and prints what is found and what it cost. */
const looks = new FileLooks();
const { signal } = new AbortController();
const { result, ...cost } = await measureWork(1, () =>
  Promise.all(
    process.argv
      .slice(2)
      .map((path) =>
        looks.look({ id: path, root: "/" }, signal, (either) => inspectSnapshot(path, { signal: either })),
      ),
  ),
);
console.log(JSON.stringify({ kinds: result.map(({ problems }) => problems[0]?.kind), ...cost }));
