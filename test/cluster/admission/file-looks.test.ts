import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { FileLooks } from "../../../supervisor/cluster/admission/file-looks.ts";
import { writeSnapshot } from "../../models/snapshot/snapshot-directory.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const A = { id: "org/a", root: "/disk-a" };
const B = { id: "org/b", root: "/disk-b" };
const never = () => new AbortController().signal;

/** Work that ends when it is told to. */
function heldWork() {
  const { promise, resolve } = Promise.withResolvers<string>();
  const begun = Promise.withResolvers<void>();
  const work = () => {
    begun.resolve();
    return promise;
  };
  return { work, end: () => resolve("done"), begun: begun.promise };
}

describe("looks into the files of models", () => {
  it("are taken one at a time, in the order they were asked for", async () => {
    const looks = new FileLooks();
    const order: string[] = [];
    let running = 0;
    const work = (name: string) => async () => {
      order.push(name);
      running += 1;
      expect(running).toBe(1);
      await Promise.resolve();
      running -= 1;
    };
    await Promise.all(["1", "2", "3", "4"].map((name) => looks.look(A, never(), work(name))));
    expect(order).toEqual(["1", "2", "3", "4"]);
  });

  it("end for a caller who goes away while he waits, and are never begun", async () => {
    const looks = new FileLooks();
    const first = heldWork();
    const firstLook = looks.look(A, never(), first.work);
    await first.begun;
    const gone = new AbortController();
    let isBegun = false;
    const second = looks.look(B, gone.signal, async () => {
      isBegun = true;
    });
    gone.abort(new Error("gone"));
    await expect(second).rejects.toThrow("gone");
    first.end();
    expect(await firstLook).toBe("done");
    expect(isBegun).toBe(false);
  });

  it("of a disk that does not answer are given up, other disks go on, and it is asked no second time", async () => {
    const looks = new FileLooks(30);
    const hanging = heldWork();
    const given = looks.look(A, never(), hanging.work);
    const other = looks.look(B, never(), async () => "fine");
    await expect(given).rejects.toMatchObject({
      code: "model_load_timeout",
      message: expect.stringContaining("/disk-a"),
    });
    expect(await other).toBe("fine");
    let isAsked = false;
    const again = looks.look({ ...A, id: "org/c" }, never(), async () => {
      isAsked = true;
    });
    await expect(again).rejects.toMatchObject({ code: "model_load_timeout" });
    expect(isAsked).toBe(false);
    hanging.end();
    await expect.poll(() => looks.look(A, never(), async () => "back").catch(() => "not yet")).toBe("back");
  });

  it("that only take long are told to end", async () => {
    const looks = new FileLooks(30);
    const ended = Promise.withResolvers<unknown>();
    const endless = looks.look(A, never(), async (signal) => {
      signal.addEventListener("abort", () => ended.resolve(signal.reason));
      return await new Promise(() => undefined);
    });
    await expect(endless).rejects.toThrow("/disk-a");
    expect(await ended.promise).toMatchObject({ code: "model_load_timeout" });
  });

  it("that were left while they ran are over before their disk is asked again", async () => {
    const looks = new FileLooks();
    const first = heldWork();
    const gone = new AbortController();
    const left = looks.look(A, gone.signal, first.work);
    await first.begun;
    gone.abort(new Error("gone"));
    await expect(left).rejects.toThrow("gone");
    const order: string[] = [];
    const next = looks.look(A, never(), async () => order.push("next"));
    void first.work().then(() => order.push("first"));
    first.end();
    await next;
    expect(order).toEqual(["first", "next"]);
  });

  it("four at once at bombs of 15 MiB stay small", async () => {
    const bomb = `[${'{"34":0},'.repeat(1_700_000)}{}]`;
    const paths = await Promise.all(
      [1, 2, 3, 4].map(async () => await writeSnapshot(await temporaryDirectory(), { "config.json": bomb })),
    );
    const script = fileURLToPath(import.meta.resolve("./look-and-measure.ts"));
    const { stdout } = await promisify(execFile)(process.execPath, [script, ...paths]);
    const { kinds, grownMegabytes } = JSON.parse(stdout) as { kinds: string[]; grownMegabytes: number };
    expect(kinds).toEqual(Array.from({ length: 4 }, () => "config-unreadable"));
    expect(grownMegabytes).toBeLessThan(250);
  });
});
