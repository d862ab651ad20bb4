import { expect, it } from "vitest";
import { openWorkerTable } from "../../supervisor/store/worker-table.ts";
import { storeFixture } from "./store-fixture.ts";

const worker = (token: string, pid = 100) => ({ pid, startTime: "boot/1234", token });

it("shows the next start which workers were alive", async () => {
  const { open } = await storeFixture(openWorkerTable);
  const table = await open();
  await table.add(worker("a"));
  await table.add(worker("b", 101));
  await table.add(worker("c", 102));
  await table.remove("b");
  expect((await open()).rows()).toEqual([worker("a"), worker("c", 102)]);
});

it("tells two workers apart that had the same pid", async () => {
  const { open } = await storeFixture(openWorkerTable);
  const table = await open();
  await table.add(worker("a"));
  await table.add(worker("b"));
  await table.remove("a");
  expect(table.rows()).toEqual([worker("b")]);
});
