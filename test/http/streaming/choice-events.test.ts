import { describe, expect, it } from "vitest";
import type { GenerationEvent } from "../../../shared/generation.ts";
import { ChoiceEvents } from "../../../supervisor/http/streaming/choice-events.ts";
import { FakeGeneration, FINISH } from "../fake-cluster.ts";

const text = (value: string): GenerationEvent => ({ type: "text", text: value });

describe("the events of several generations", () => {
  it("come as they come, each with its index, until all have finished", async () => {
    const [one, two] = [new FakeGeneration(), new FakeGeneration()];
    const events = new ChoiceEvents([one, two]);
    const seen: unknown[] = [];
    const next = async () => {
      const { value } = await events.next();
      seen.push(value === undefined ? "end" : [value.index, value.event.type]);
    };
    two.push(text("b"));
    await next();
    one.push(text("a"), FINISH);
    await next();
    await next();
    two.push(FINISH);
    await next();
    await next();
    expect(seen).toEqual([[1, "text"], [0, "text"], [0, "finish"], [1, "finish"], "end"]);
    await Promise.all([one.released, two.released]);
  });

  it("are asked for one at a time: a slow reader slows every generation down", async () => {
    const generation = new FakeGeneration(Array.from({ length: 50 }, () => text("x")));
    const events = new ChoiceEvents([generation]);
    await events.next();
    await events.next();
    expect(generation.asked).toBe(2);
  });

  it("end with the first failure, and let the others go", async () => {
    const [one, two] = [new FakeGeneration(), new FakeGeneration()];
    const events = new ChoiceEvents([one, two]);
    one.push(new Error("died"));
    await expect(events.next()).rejects.toThrow("died");
    await two.released;
  });

  it("are a failure when one ends without finish, never a success", async () => {
    const generation = new FakeGeneration([text("a")]);
    const events = new ChoiceEvents([generation]);
    await events.next();
    const last = events.next();
    await generation.return();
    await expect(last).rejects.toMatchObject({ code: "internal_error" });
  });

  it("let every generation go at once when the reader leaves in the middle of waiting", async () => {
    const [one, two] = [new FakeGeneration(), new FakeGeneration()];
    const events = new ChoiceEvents([one, two]);
    const waiting = events.next();
    await events.return();
    expect(await waiting).toEqual({ done: true, value: undefined });
    await Promise.all([one.released, two.released]);
  });
});
