import type { Dirent } from "node:fs";
import { describe, expect, it } from "vitest";
import { ModelCluster } from "../../supervisor/cluster/model-cluster.ts";
import { createCatalogue } from "../../supervisor/models/catalogue.ts";
import { diskDirectories } from "../../supervisor/models/inside-roots.ts";
import { writeModel } from "../models/model-directory.ts";
import { fakePorts } from "../support/fake-cluster-parts.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const WORD = { actor: { key: null, address: null, via: "http" }, reason: null } as const;

/** A cluster over two roots, `near` and `far`; listing the far one hangs until `mend`. */
async function clusterWithRootThatHangs(autoLoad: readonly string[] = []) {
  const [near, far] = [await temporaryDirectory(), await temporaryDirectory()];
  await writeModel(near, "org/near");
  await writeModel(far, "org/far");
  const mended = Promise.withResolvers<void>();
  const readdir = async (directory: string): Promise<Dirent[]> => {
    if (directory === far) await mended.promise;
    return await diskDirectories.readdir(directory);
  };
  const catalogue = createCatalogue({
    roots: [far, near],
    patienceMs: 500,
    directories: { ...diskDirectories, readdir },
  });
  await catalogue.refresh();
  const { ports } = fakePorts();
  const cluster = new ModelCluster({ catalogue, ports, autoLoad, audit: async () => {}, holdMs: 1_000 });
  return { cluster, near, mend: () => mended.resolve() };
}

describe("a model root that hangs", () => {
  it("holds up no operator, and the models of the others can be loaded", async () => {
    const { cluster } = await clusterWithRootThatHangs();
    expect((await cluster.listModels()).map(({ id }) => id)).toEqual(["org/near"]);
    expect(await cluster.load("org/near", { audit: WORD })).toMatchObject({ model_id: "org/near" });
    await expect(cluster.load("org/far", { audit: WORD })).rejects.toMatchObject({
      code: "model_not_found",
      message: expect.stringContaining("has not answered yet"),
    });
  });

  it("holds up no client that lists models, however long a scan is waited for", async () => {
    const root = await temporaryDirectory();
    const catalogue = createCatalogue({
      roots: [root],
      patienceMs: 3_600_000,
      directories: { ...diskDirectories, readdir: () => new Promise(() => {}) },
    });
    void catalogue.refresh();
    const { ports } = fakePorts();
    const cluster = new ModelCluster({
      catalogue,
      ports,
      autoLoad: [],
      audit: async () => {},
      holdMs: 1_000,
    });
    expect(await cluster.listModels()).toEqual([]);
  });

  it("has its models loaded once it answers, when auto_load names them", async () => {
    const { cluster, mend } = await clusterWithRootThatHangs(["org/far", "org/near", "org/nowhere"]);
    expect(cluster.startAutoLoad()).toEqual([]);
    expect(await cluster.outcome("org/near")).toMatchObject({ model_id: "org/near" });
    mend();
    await expect.poll(() => cluster.models().map(({ id }) => id)).toContain("org/far");
    expect(await cluster.outcome("org/far")).toMatchObject({ model_id: "org/far" });
  });

  it("is over once it answers: what is found later is loaded only when somebody asks", async () => {
    const { cluster, near, mend } = await clusterWithRootThatHangs(["org/later"]);
    expect(cluster.startAutoLoad()).toEqual([]);
    mend();
    await expect.poll(() => cluster.models().map(({ id }) => id)).toContain("org/far");
    await writeModel(near, "org/later");
    await cluster.refresh();
    expect(cluster.model("org/later").readiness.state).toBe("unloaded");
    expect(cluster.startAutoLoad()).toEqual([]);
    expect(await cluster.outcome("org/later")).toMatchObject({ model_id: "org/later" });
  });

  it("that answers without a model of auto_load makes that one unknown", async () => {
    const { cluster, mend } = await clusterWithRootThatHangs(["org/nowhere"]);
    expect(cluster.startAutoLoad()).toEqual([]);
    mend();
    await expect.poll(() => cluster.models().map(({ id }) => id)).toContain("org/far");
    expect(cluster.startAutoLoad()).toEqual(["org/nowhere"]);
  });
});
