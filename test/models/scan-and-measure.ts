import { createCatalogue } from "../../supervisor/models/catalogue.ts";
import { measureWork } from "./measure-work.ts";

/** Looks for models below a directory and prints what is found and what it cost. */
const [root = ""] = process.argv.slice(2);
const refused: object[] = [];
const log = { info: () => undefined, warn: (fields: object) => void refused.push(fields) };
const catalogue = createCatalogue({ roots: [root], log, patienceMs: 60_000 });
const { result, ...cost } = await measureWork(1, async () => {
  await catalogue.refresh();
  return catalogue.list();
});
console.log(JSON.stringify({ models: result, refused, ...cost }));
