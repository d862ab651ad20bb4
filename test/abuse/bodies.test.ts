import { afterAll, beforeAll } from "vitest";
import { BYSTANDER, ChaosService } from "../chaos/chaos-service.ts";
import {
  type Bomb,
  CHAT,
  COMPLETIONS,
  chatHead,
  conversation,
  ELEMENTS,
  filled,
  listBomb,
  manyKeys,
  nested,
  wrappedBomb,
} from "./bombs.ts";
import { expectClear, expectLimit } from "./expect-clear.ts";
import { abuse, isWhole } from "./row.ts";
import { sendAll } from "./send.ts";
import { underAbuse } from "./under-abuse.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
/** Too many values for any field but `prompt`. */
const SIZES = isWhole ? [7 * MIB, 15 * MIB, 63 * MIB] : [7 * MIB];
/** Around where the limits lie: some are served. */
const SMALL_SIZES = isWhole ? [64 * KIB, 256 * KIB, MIB] : [256 * KIB];
/** One of each kind is enough where other tests run beside. */
const UNITS = isWhole ? ELEMENTS : (["0", '"a"', "{}", '{"34":0}', "[[[[0]]]]"] as const);
const AT_ONCE = 4;

let service: ChaosService;

beforeAll(async () => {
  service = await ChaosService.start({ workers: "real" });
});

afterAll(async () => {
  await service?.dispose();
});

/** Sends every bomb in every size; what is large must be refused by a limit. */
async function explode(bombsOf: (bytes: number) => readonly Bomb[]): Promise<void> {
  const sent = (bytes: number) => sendAll(service.lmx.url, bombsOf(bytes), AT_ONCE);
  await underAbuse(service, async () => {
    for (const bytes of SMALL_SIZES) expectClear(await sent(bytes));
    for (const bytes of SIZES) expectLimit(await sent(bytes));
  });
}

abuse("B1", "messages that are none, as many as fit", () =>
  explode((bytes) =>
    UNITS.map((unit) => ({
      name: `messages: [${unit}, …]`,
      path: CHAT,
      body: conversation(BYSTANDER, unit, bytes),
      field: "messages",
    })),
  ),
);

const VALID_MESSAGES = [
  '{"role":"user","content":""}',
  '{"role":"user","content":"a"}',
  '{"role":"assistant","content":[]}',
  '{"role":"tool","content":"","tool_call_id":""}',
] as const;

abuse("B2", "conversations of very many messages, parts and tool calls", () =>
  explode((bytes) => [
    ...VALID_MESSAGES.map((message) => ({
      name: `messages: [${message}, …]`,
      path: CHAT,
      body: conversation(BYSTANDER, message, bytes),
      field: "messages",
    })),
    ...(
      [
        ['{"role":"user","content":[', '{"type":"text","text":""}', "]}"],
        ['{"role":"user","content":[', "{}", "]}"],
        ['{"role":"user","content":[', "0", "]}"],
        ['{"role":"assistant","tool_calls":[', '{"id":"","function":{"name":"a","arguments":""}}', "]}"],
        ['{"role":"assistant","tool_calls":[', "{}", "]}"],
      ] as const
    ).map(([open, unit, close]) => ({
      name: `messages: [${open}${unit}, …`,
      path: CHAT,
      body: filled(`{"model":"${BYSTANDER}","max_tokens":1,"messages":[${open}`, unit, `${close}]}`, bytes),
      field: "messages",
    })),
  ]),
);

abuse("B3", "tools with huge schemas, and what else is a tree", () =>
  explode((bytes) => [
    ...UNITS.map((unit) => listBomb(BYSTANDER, "tools", unit, bytes)),
    listBomb(BYSTANDER, "tools", '{"type":"function","function":{"name":"a"}}', bytes),
    ...(["{}", '{"34":0}', '"a"'] as const).flatMap((unit) =>
      (
        [
          ["tools", '[{"type":"function","function":{"name":"a","parameters":{"enum":[', "]}}}]"],
          ["response_format", '{"type":"json_schema","json_schema":{"name":"a","schema":{"enum":[', "]}}}"],
          ["tool_choice", '{"type":"function","function":{"name":"a","x":[', "]}}"],
          ["stream_options", '{"include_usage":true,"x":[', "]}"],
        ] as const
      ).map((where) => wrappedBomb(BYSTANDER, where, unit, bytes)),
    ),
  ]),
);

abuse("B4", "stop, logit_bias and chat_template_kwargs of every kind of element", () =>
  explode((bytes) => [
    ...UNITS.flatMap((unit) => [
      listBomb(BYSTANDER, "stop", unit, bytes),
      listBomb(BYSTANDER, "logit_bias", unit, bytes),
      wrappedBomb(BYSTANDER, ["chat_template_kwargs", '{"zz":[', "]}"], unit, bytes),
      wrappedBomb(BYSTANDER, ["metadata", '{"zz":[', "]}"], unit, bytes),
    ]),
    ...["logit_bias", "chat_template_kwargs"].flatMap((field) =>
      ["", "k"].map((prefix) => ({
        name: `${field}: {"${prefix}0":0, …}`,
        path: CHAT,
        body: manyKeys(`${chatHead(BYSTANDER)}"${field}":{`, prefix, "0", "}}", Math.min(bytes, 8 * MIB)),
        field,
      })),
    ),
  ]),
);

abuse("B5", "lists of prompts: strings, token ids, lists, numbers that are none", () =>
  explode((bytes) =>
    [...UNITS, "[1]", "[1,2,3]", '"the"', "9999", "1.5"].map((unit) => ({
      name: `prompt: [${unit}, …]`,
      path: COMPLETIONS,
      body: filled(`{"model":"${BYSTANDER}","max_tokens":1,"prompt":[`, unit, "]}", bytes),
      field: "prompt",
    })),
  ),
);

abuse("B6", "fields nobody knows", () =>
  explode((bytes) => [
    ...UNITS.map((unit) => listBomb(BYSTANDER, "zz", unit, bytes)),
    {
      name: "many unknown fields",
      path: CHAT,
      body: manyKeys(chatHead(BYSTANDER), "k", "0", "}", Math.min(bytes, 8 * MIB)),
      field: null,
    },
  ]),
);

abuse("B7", "nesting a million deep", () =>
  explode((bytes) =>
    (
      [
        ["[", "]"],
        ['{"a":', "}"],
      ] as const
    ).flatMap((pair) =>
      ["messages", "tools", "chat_template_kwargs", "zz"].map((field) => ({
        name: `${field}: ${pair[0].repeat(3)}…`,
        path: CHAT,
        body: nested(
          `${chatHead(BYSTANDER)}"${field}":`,
          "}",
          Math.floor(bytes / (pair[0].length + 1)),
          pair,
        ),
        field,
      })),
    ),
  ),
);

/** Every path of the operator's that reads a body. */
const ADMIN_PATHS = [
  "/admin/models/load",
  "/admin/models/unload",
  "/admin/models/probe",
  "/admin/models/quarantine",
  "/admin/models/release",
  "/admin/models/restart",
  "/admin/safe-mode/leave",
  "/admin/models/compatibility/sweep",
];

abuse("B11", "the same to every path of the operator's that takes a body", () =>
  explode((bytes) =>
    ADMIN_PATHS.flatMap((path) =>
      ["0", "{}", '{"34":0}', '"a"'].flatMap((unit) =>
        ["model_id", "zz"].map((field) => ({
          name: `${path} ${field}: [${unit}, …]`,
          path,
          body: filled(`{"${field}":[`, unit, "]}", bytes),
          field,
        })),
      ),
    ),
  ),
);
