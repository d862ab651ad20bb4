import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect } from "vitest";
import { BYSTANDER, ChaosService } from "../chaos/chaos-service.ts";
import { Random } from "../soak/random.ts";
import { type Bomb, CHAT, COMPLETIONS, chatHead, conversation, filled, listBomb } from "./bombs.ts";
import { expectClear, expectLimit } from "./expect-clear.ts";
import { randomBomb } from "./random-bomb.ts";
import { abuse, isWhole, slowAbuse } from "./row.ts";
import { send, sendAll } from "./send.ts";
import { underAbuse } from "./under-abuse.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const SIZES = isWhole ? [256 * KIB, 7 * MIB, 15 * MIB, 63 * MIB] : [256 * KIB, 7 * MIB];
const AT_ONCE = 4;
/** Given on the command line to see a failure again. */
const SEED = Number(process.env.ABUSE_SEED ?? 1);
const RANDOM_BOMBS = isWhole ? 400 : 60;
const WAVES = isWhole ? 6 : 2;

let service: ChaosService;

beforeAll(async () => {
  service = await ChaosService.start({ workers: "real" });
});

afterAll(async () => {
  await service?.dispose();
});

function chatBody(field: string, open: string, filling: string, close: string, bytes: number): Bomb {
  const [head, length] = [`${chatHead(BYSTANDER)}"${field}":${open}`, Math.max(0, bytes - open.length)];
  const body = Buffer.concat([Buffer.from(head), Buffer.alloc(length, filling), Buffer.from(`${close}}`)]);
  return { name: `${field}: ${open}${filling}${filling}…`, path: CHAT, body, field };
}

const STRING_SIZES = isWhole ? [7 * MIB, 15 * MIB, 63 * MIB] : [7 * MIB];

abuse("B8", "one huge string in each text field, and numbers of a million digits", async () => {
  const prompts = SIZES.flatMap((bytes) => [
    ...["a", "é", "\\u0000", "\\ud83d\\ude00", '\\"'].map((filling) =>
      chatBody("messages", '[{"role":"user","content":"', filling, '"}]', bytes),
    ),
    chatBody("messages", '[{"role":"', "a", '","content":"x"}]', bytes),
    chatBody("messages", '[{"content":"x","role":"user","name":"', "a", '"}]', bytes),
    chatBody("messages", '[{"content":"x","role":"tool","tool_call_id":"', "a", '"}]', bytes),
  ]);
  const others = STRING_SIZES.flatMap((bytes) => [
    ...["a", "é", "\\u0000"].map((filling) => chatBody("zz", '"', filling, '"', bytes)),
    ...["model", "user", "stop", "tool_choice", "reasoning_effort", "service_tier"].map((field) =>
      chatBody(field, '"', "a", '"', bytes),
    ),
    chatBody("chat_template_kwargs", '{"date_string":"', "a", '"}', bytes),
    chatBody("tools", '[{"type":"function","function":{"name":"', "a", '"}}]', bytes),
    ...["temperature", "max_tokens", "seed", "n"].map((field) => chatBody(field, "1", "0", "", bytes)),
  ]);
  await underAbuse(service, async () => {
    expectClear(await sendAll(service.lmx.url, prompts, AT_ONCE));
    expectLimit(await sendAll(service.lmx.url, others, AT_ONCE));
  });
});

const MODEL = JSON.stringify(BYSTANDER);
const FINE = `{"model":${MODEL},"max_tokens":1,"messages":[{"role":"user","content":"x"}]`;

/** Texts that a careless reader stumbles over, and whether they are chat requests all the same. */
const ODD_BODIES: readonly (readonly [name: string, body: string | Uint8Array, status: 200 | 400])[] = [
  [
    "a field given a thousand times",
    filled(`${FINE},`, '"messages":[{"role":"user","content":"x"}]', "}", 64 * KIB),
    200,
  ],
  ["__proto__", `${FINE},"__proto__":{"stream":true,"temperature":9}}`, 200],
  ["constructor", `${FINE},"constructor":{"prototype":{"stream":true}}}`, 200],
  ["__proto__ of the template", `${FINE},"chat_template_kwargs":{"__proto__":{"a":1},"toString":1}}`, 200],
  ["no UTF-8", bytesOf(`${FINE},"user":"`, [0xff, 0xfe, 0xc0], '"}'), 400],
  ["a character cut short", bytesOf(`${FINE},"user":"`, [0xe2, 0x82], ""), 400],
  ["NUL", `${FINE},"user":"\0"}`, 400],
  ["half of a surrogate pair", `${FINE},"user":"\\ud800"}`, 200],
  ["half of a surrogate pair as a key", `${FINE},"chat_template_kwargs":{"\\ud800":1}}`, 400],
  ["UTF-16", Buffer.from(`${FINE}}`, "utf16le"), 400],
  ["nothing", "", 400],
  ["blanks", " ".repeat(100 * KIB), 400],
  ["a text without its end", `${FINE},"user":"aaa`, 400],
  ["two values", `${FINE}}${FINE}}`, 400],
  ["NaN", `${FINE},"temperature":NaN}`, 400],
  ["1e999", `${FINE},"temperature":1e999}`, 400],
  ["a list", `[${FINE}}]`, 400],
  ["null", "null", 400],
];

abuse("B9", "texts that a careless reader stumbles over", async () => {
  const bombs = ODD_BODIES.flatMap(([name, text, status]) =>
    [CHAT, COMPLETIONS, "/admin/models/load"].map((path) => ({
      name: `${path}: ${name}`,
      path,
      body: typeof text === "string" ? Buffer.from(text) : text,
      field: null,
      // The others want fields that are not there.
      status: path === CHAT ? status : 400,
    })),
  );
  await underAbuse(service, async () => {
    const answered = await sendAll(service.lmx.url, bombs, AT_ONCE);
    expectClear(answered);
    const unexpected = answered.filter(({ attack, reply }) => reply.status !== attack.status);
    expect(unexpected.map(({ attack, reply }) => `${attack.name}: ${reply.status} ${reply.message}`)).toEqual(
      [],
    );
  });
});

function bytesOf(before: string, bytes: readonly number[], after: string): Uint8Array {
  return Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)]);
}

abuse("B10", "in chunks without a length, with a length beyond any limit, compressed", async () => {
  await underAbuse(service, async () => {
    const bombs = [7 * MIB, 63 * MIB].flatMap((bytes) => [
      { ...listBomb(BYSTANDER, "zz", '{"34":0}', bytes), isChunked: true },
      { ...listBomb(BYSTANDER, "stop", "0", bytes), isChunked: true },
      {
        name: "messages in chunks",
        path: CHAT,
        body: conversation(BYSTANDER, "{}", bytes),
        field: "messages",
        isChunked: true,
      },
    ]);
    expectLimit(await sendAll(service.lmx.url, bombs, AT_ONCE));
    const body = Buffer.from(`${FINE}}`);
    const tooLong = await send(service.lmx.url, { path: CHAT, body, headers: { "content-length": "1e15" } });
    expect([400, 413]).toContain(tooLong.status);
    const huge = { path: CHAT, body, headers: { "content-length": String(2 ** 40) } };
    expect(await send(service.lmx.url, huge)).toMatchObject({ status: 413, code: "request_too_large" });
    const zipped = gzipSync(Buffer.alloc(64 * MIB, " "));
    const compressed = { path: CHAT, body: zipped, headers: { "content-encoding": "gzip" } };
    expect(await send(service.lmx.url, compressed)).toMatchObject({ status: 415 });
  });
});

/** The most values a body may hold: a million token ids in six megabytes. */
function tokenIds(bytes: number): Bomb {
  const body = filled(`{"model":${MODEL},"max_tokens":1,"prompt":[`, "12345", "]}", Math.min(bytes, 6 * MIB));
  return { name: "a million token ids", path: COMPLETIONS, body, field: "prompt" };
}

slowAbuse("B12", "eight of the largest bodies at once, again and again", async () => {
  await underAbuse(service, async () => {
    for (let wave = 0; wave < WAVES; wave++)
      for (const bytes of SIZES) {
        const bombs = Array.from({ length: 8 }, (_, n) =>
          n % 2 === 0
            ? tokenIds(bytes)
            : chatBody("messages", '[{"role":"user","content":"', "a", '"}]', bytes),
        );
        expectClear(await sendAll(service.lmx.url, bombs, bombs.length));
      }
  });
});

abuse("B13", "bodies that a seed makes up", async () => {
  const random = new Random(SEED, "abuse");
  const largest = isWhole ? 31 * MIB : 7 * MIB;
  const bombs = Array.from({ length: RANDOM_BOMBS }, () => randomBomb(random, BYSTANDER, largest));
  await underAbuse(service, async () => {
    expectClear(await sendAll(service.lmx.url, bombs, AT_ONCE));
    // Of such a size they are too much for any field.
    const large = Array.from({ length: RANDOM_BOMBS / 10 }, () =>
      randomBomb(random, BYSTANDER, largest, largest),
    );
    expectLimit(await sendAll(service.lmx.url, large, AT_ONCE));
  });
});
