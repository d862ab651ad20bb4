import { expect, it } from "vitest";
import { openIntents } from "../../supervisor/store/intents.ts";
import { storeFixture } from "./store-fixture.ts";

const fixture = () => storeFixture(openIntents);
const intent = (key: string, pid: number) => ({ key, pid, bootId: "boot-1", at: 5 });

it("has an intent on the device before the load may be sent, and none after it ended", async () => {
  const { open } = await fixture();
  const intents = await open();
  await intents.begin(intent("a", 1));
  await intents.begin(intent("b", 2));
  expect((await open()).open()).toEqual([intent("a", 1), intent("b", 2)]);
  await intents.end({ key: "a", pid: 1 });
  expect((await open()).open()).toEqual([intent("b", 2)]);
});

it("ends the intent of one worker only", async () => {
  const intents = await (await fixture()).open();
  await intents.begin(intent("a", 1));
  await intents.begin(intent("a", 2));
  await intents.begin(intent("a", 2));
  await intents.end({ key: "a", pid: 1 });
  expect(intents.open()).toEqual([intent("a", 2)]);
});

it("forgets what was left open, and keeps what was begun since", async () => {
  const { open } = await fixture();
  await (await open()).begin(intent("old", 1));
  const intents = await open();
  const found = intents.open();
  await intents.begin(intent("new", 2));
  await intents.endAllOf(found);
  expect((await open()).open()).toEqual([intent("new", 2)]);
});

it("goes on in memory when the disk is read-only, and says so", async () => {
  const { open, files } = await fixture();
  const intents = await open();
  files.fail("create", "EROFS");
  await intents.begin(intent("a", 1));
  expect([intents.open(), intents.degraded()]).toEqual([[intent("a", 1)], expect.stringContaining("EROFS")]);
});
