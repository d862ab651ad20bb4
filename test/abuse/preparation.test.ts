import { afterAll, beforeAll, expect } from "vitest";
import { BYSTANDER, ChaosService } from "../chaos/chaos-service.ts";
import { forgetPeak, peakResidentBytes, residentBytes } from "../chaos/processes.ts";
import { type Bomb, CHAT, COMPLETIONS, chatHead, conversation, filled, wrappedBomb } from "./bombs.ts";
import { expectClear } from "./expect-clear.ts";
import { abuse, isWhole } from "./row.ts";
import { sendAll } from "./send.ts";
import { underAbuse } from "./under-abuse.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
/** Just within what a body may hold. */
const LONG_BYTES = isWhole ? 15 * MIB : 4 * MIB;
const AT_ONCE = 8;
const ROUNDS = isWhole ? 4 : 1;
/** What the worker may take besides, while it prepares. */
const WORKER_GROWTH_BYTES = 400 * MIB;

let service: ChaosService;

beforeAll(async () => {
  service = await ChaosService.start({ workers: "real" });
});

afterAll(() => service?.dispose());

function chat(name: string, body: Uint8Array): Bomb {
  return { name, path: CHAT, body, field: null };
}

/** As much as bodies may hold of what a chat template goes through. */
function dearToRender(): Bomb[] {
  const head = `{"model":"${BYSTANDER}","max_tokens":1,"messages":[`;
  const call = '{"id":"a","type":"function","function":{"name":"a","arguments":"{}"}}';
  return [
    chat("empty messages", conversation(BYSTANDER, '{"role":"user","content":""}', 550 * KIB)),
    chat(
      "messages in turn",
      conversation(BYSTANDER, '{"role":"user","content":"a"},{"role":"assistant","content":"b"}', 550 * KIB),
    ),
    chat("one long message", filled(`${head}{"role":"user","content":"`, "story", '"}]}', LONG_BYTES)),
    chat(
      "tool calls",
      filled(`${head}{"role":"assistant","content":"","tool_calls":[`, call, "]}]}", 60 * KIB),
    ),
    chat(
      "tools",
      filled(
        `${chatHead(BYSTANDER)}"tools":[`,
        '{"type":"function","function":{"name":"a"}}',
        "]}",
        80 * KIB,
      ),
    ),
    wrappedBomb(
      BYSTANDER,
      ["tools", '[{"type":"function","function":{"name":"a","parameters":{"enum":[', "]}}}]"],
      '"a"',
      150 * KIB,
    ),
    chat(
      "a long template argument",
      filled(`${chatHead(BYSTANDER)}"chat_template_kwargs":{"date_string":"`, "a", '"}}', 250 * KIB),
    ),
    {
      name: "one long prompt",
      path: COMPLETIONS,
      body: filled(`{"model":"${BYSTANDER}","max_tokens":1,"prompt":"`, "story", '"}', LONG_BYTES),
      field: null,
    },
  ];
}

abuse("T1", "what is dear to render, of the model that another client asks", async () => {
  const pid = await service.pid(BYSTANDER);
  const beforeBytes = residentBytes(pid);
  forgetPeak(pid);
  await underAbuse(service, async () => {
    for (let round = 0; round < ROUNDS; round++)
      expectClear(await sendAll(service.lmx.url, dearToRender(), AT_ONCE));
  });
  expect(await service.pid(BYSTANDER)).toBe(pid);
  expect(peakResidentBytes(pid) - beforeBytes).toBeLessThan(WORKER_GROWTH_BYTES);
});
