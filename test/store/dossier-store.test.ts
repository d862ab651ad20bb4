import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Dossier } from "../../shared/dossier.ts";
import { buildDossier, dossierId } from "../../supervisor/policy/diagnosis/dossier.ts";
import { DOSSIER_LIMITS, openDossierStore } from "../../supervisor/store/dossier-store.ts";
import { deathReport } from "../support/fake-death.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { FaultyFiles } from "./faulty-files.ts";

const AT = Date.UTC(2026, 10, 20, 10);

function dossier(index: number, changes: Partial<Dossier> = {}): Dossier {
  const id = dossierId(AT + index * 1_000, "abcdef");
  return { ...buildDossier(deathReport({ id }), String), ...changes };
}

async function fixture() {
  const directory = join(await temporaryDirectory(), "dossiers");
  const files = new FaultyFiles();
  const problems: object[] = [];
  const retries: (() => void)[] = [];
  const open = () =>
    openDossierStore({
      directory,
      files,
      now: () => AT,
      log: { info: () => {}, error: (fields) => problems.push(fields) },
      schedule: (callback) => {
        retries.push(callback);
        return () => {};
      },
    });
  const names = async () => (await readdir(directory)).toSorted();
  return { directory, files, problems, retries, open, names };
}

const ids = (dossiers: readonly Dossier[]) => dossiers.map(({ id }) => id);

describe("the store of dossiers", () => {
  it("gives back what was put in, the newest first, after a restart too", async () => {
    const { open, names } = await fixture();
    const store = await open();
    const all = [dossier(0), dossier(1, { model: "other" }), dossier(2)];
    for (const one of all) await store.put(one);
    for (const one of [store, await open()]) {
      expect(await one.list({ limit: 10 })).toEqual(all.toReversed());
      expect(ids(await one.list({ model: "m", limit: 10 }))).toEqual([all[2]!.id, all[0]!.id]);
      expect(ids(await one.list({ limit: 1 }))).toEqual([all[2]!.id]);
      expect(await one.get(all[1]!.id)).toEqual(all[1]);
      expect(await one.get("../../etc/passwd")).toBeNull();
      expect([one.newest("m"), one.newest("other"), one.newest("nobody")]).toEqual([
        all[2]!.id,
        all[1]!.id,
        null,
      ]);
      expect([one.degraded(), one.unreadable()]).toEqual([null, []]);
    }
    expect(await names()).toEqual(all.map(({ id }) => `${id}.json`));
  });

  it("replaces one of the same id and leaves nothing beside it", async () => {
    const { open, names } = await fixture();
    const store = await open();
    await store.put(dossier(0));
    await store.put(dossier(0, { crash_report: "~/x.ips" }));
    expect(await store.list({ limit: 10 })).toMatchObject([{ crash_report: "~/x.ips" }]);
    expect(await names()).toEqual([`${dossier(0).id}.json`]);
  });

  it("keeps 200, and 16 MiB of them: the oldest go", async () => {
    const { open, names } = await fixture();
    const store = await open();
    for (let index = 0; index < 203; index += 1) await store.put(dossier(index));
    expect(await names()).toHaveLength(DOSSIER_LIMITS.mostCount);
    expect((await names())[0]).toBe(`${dossier(3).id}.json`);
    const large = "x".repeat(900_000);
    for (let index = 300; index < 325; index += 1) await store.put(dossier(index, { stderr_tail: large }));
    const left = await store.list({ limit: 1_000 });
    expect(left.length).toBe(Math.floor(DOSSIER_LIMITS.mostBytes / 901_000));
    expect(left[0]!.id).toBe(dossier(324).id);
    expect((await names()).length).toBe(left.length);
  });

  it("skips files it cannot read, names them, and leaves them where they are", async () => {
    const { directory, open, problems, names } = await fixture();
    await (await open()).put(dossier(0));
    const broken = [1, 2, 3, 4].map((index) => `${dossier(index).id}.json`);
    await writeFile(join(directory, broken[0]!), "{");
    await writeFile(join(directory, broken[1]!), JSON.stringify({ schema: 1, dossier: { id: "x" } }));
    await writeFile(
      join(directory, broken[2]!),
      JSON.stringify({ schema: 2, dossier: { id: dossier(3).id } }),
    );
    await writeFile(join(directory, broken[3]!), " ".repeat(2 * 1024 * 1024));
    await writeFile(join(directory, "notes.txt"), "mine");
    const store = await open();
    expect(ids(await store.list({ limit: 10 }))).toEqual([dossier(0).id]);
    expect(store.unreadable()).toEqual([...broken, "notes.txt"]);
    expect(problems).toHaveLength(5);
    expect(await names()).toHaveLength(6);
  });

  it("reports one that breaks while it runs", async () => {
    const { directory, open } = await fixture();
    const store = await open();
    await store.put(dossier(0));
    await store.put(dossier(1));
    await writeFile(join(directory, `${dossier(1).id}.json`), "");
    expect(ids(await store.list({ limit: 10 }))).toEqual([dossier(0).id]);
    expect(store.unreadable()).toEqual([`${dossier(1).id}.json`]);
  });

  it("clears away what a write that was cut off has left", async () => {
    const { directory, open, names } = await fixture();
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, `${dossier(0).id}.json.tmp-123-abcdef012345`), "{");
    const store = await open();
    expect(await names()).toEqual([]);
    expect(store.unreadable()).toEqual([]);
  });

  it("keeps in memory what the disk does not take, and writes it when it does", async () => {
    const { directory, files, retries, open } = await fixture();
    const store = await open();
    files.fail("rename", "ENOSPC");
    await store.put(dossier(0));
    expect(store.degraded()).toContain("ENOSPC");
    expect(await store.get(dossier(0).id)).toEqual(dossier(0));
    files.heal();
    for (const retry of retries) retry();
    await store.close();
    expect(store.degraded()).toBeNull();
    expect(JSON.parse(await readFile(join(directory, `${dossier(0).id}.json`), "utf8"))).toMatchObject({
      schema: 1,
    });
  });

  it("opens without its directory being readable", async () => {
    const { files, open } = await fixture();
    files.fail("list", "EACCES");
    const store = await open();
    expect(store.degraded()).toContain("EACCES");
    expect(await store.list({ limit: 10 })).toEqual([]);
  });
});
