import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { RunningSupervisor } from "../support/running-supervisor.ts";
import { readChatStream } from "../support/sse.ts";

const LMX = join(import.meta.dirname, "../../bin/lmx.js");
const API_KEY = "client-key-quagga-1";
const ADMIN_KEY = "operator-key-quagga-2";
const WRONG_KEY = "guessed-key-quagga-3";
const LATER_KEY = "later-key-quagga-4";
/** Every word a client says has it. */
const PRIVATE = "okapi";
/** The demo model's own answer to its story prompt begins so; answers are as private as prompts. */
const STORY_PROMPT = "Tell me a story";

const CONFIG = `auto_load: [lmx-demo]
api_keys: [${API_KEY}]
admin_keys: [${ADMIN_KEY}]
log_level: trace
`;
const json = { "content-type": "application/json" };
const client = { ...json, authorization: `Bearer ${API_KEY}` };
const admin = { ...json, "x-admin-key": ADMIN_KEY };

let lmx: RunningSupervisor;
let answer = "";

const chatBody = (extra: object = {}) =>
  JSON.stringify({
    model: "lmx-demo",
    messages: [
      { role: "system", content: `an ${PRIVATE} system prompt` },
      { role: "user", content: STORY_PROMPT },
    ],
    user: `${PRIVATE}-user`,
    temperature: 0,
    ...extra,
  });
const chat = (body: string, headers: Record<string, string> = client) =>
  lmx.fetch("/v1/chat/completions", { method: "POST", headers, body });
const operate = (path: string, body: object) =>
  lmx.fetch(path, { method: "POST", headers: admin, body: JSON.stringify(body) });
const reload = async (config: string) => {
  writeFileSync(join(lmx.home, "config.yaml"), config);
  return (await operate("/admin/config/reload", {})).status;
};
const see = async (path: string) => await (await lmx.fetch(path, { headers: admin })).text();

async function workerPid(): Promise<number> {
  const { data } = JSON.parse(await see("/admin/models")) as { data: { worker: { pid: number } | null }[] };
  return data[0]?.worker?.pid ?? 0;
}

async function isReady(): Promise<void> {
  while ((await lmx.fetch("/readyz")).status !== 200) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** A life with everything in it that has a reason to mention what somebody said. */
beforeAll(async () => {
  lmx = await RunningSupervisor.start({ config: CONFIG, routable: [] });
  await isReady();
  const tool = { type: "function", function: { name: `${PRIVATE}_tool`, parameters: {} } };
  expect((await chat(chatBody({ tools: [tool], stop: [`${PRIVATE} stop`] }))).status).toBe(200);
  expect((await chat(chatBody(), { ...json, "x-api-key": API_KEY })).status).toBe(200);
  expect((await chat(chatBody(), { ...json, authorization: `Bearer ${WRONG_KEY}` })).status).toBe(401);
  expect((await chat(chatBody(), { ...json, "x-api-key": WRONG_KEY })).status).toBe(401);
  expect((await lmx.fetch(`/v1/models?api_key=${API_KEY}&q=${PRIVATE}`)).status).toBe(401);
  expect((await chat(`{"messages": "${PRIVATE} ${API_KEY}`)).status).toBe(400);
  expect((await chat(chatBody({ temperature: PRIVATE }))).status).toBe(400);
  expect((await chat(chatBody({ max_tokens: PRIVATE, response_format: { type: PRIVATE } }))).status).toBe(
    400,
  );
  expect((await chat(chatBody({ model: `org/${API_KEY}` }))).status).toBe(404);
  expect((await lmx.fetch(`/v1/${API_KEY}`, { headers: client })).status).toBe(404);
  expect((await chat(chatBody(), { ...client, "x-request-id": API_KEY })).status).toBe(200);
  await sendRaw(
    `POST /v1/${PRIVATE} HTTP/1.1\r\nAuthorization: Bearer ${API_KEY}\r\nbroken ${PRIVATE}\r\n\r\n`,
  );

  for (const signal of ["SIGSEGV", "SIGABRT"] as const) {
    const pid = await workerPid();
    const response = await chat(chatBody({ stream: true, max_tokens: 400 }));
    let isKilled = false;
    const { text } = await readChatStream(response, (soFar) => {
      if (soFar.length > 40 && !isKilled) isKilled = process.kill(pid, signal);
    });
    answer = text.slice(0, 40);
    await isReady();
  }
  expect((await operate("/admin/models/restart", { model_id: "lmx-demo", reason: "routine" })).status).toBe(
    200,
  );
  expect(await reload(`${CONFIG}api_kyes: [${LATER_KEY}]\n`)).toBe(400);
  expect(await reload(`${CONFIG}aliases: { small: lmx-demo }\n`.replace(API_KEY, LATER_KEY))).toBe(200);
});
afterAll(async () => {
  await lmx.dispose();
});

/** Bytes that are no HTTP; resolves when the server has hung up. */
async function sendRaw(text: string): Promise<void> {
  const { hostname, port } = new URL(lmx.url);
  const socket = createConnection(Number(port), hostname);
  socket.resume();
  socket.end(text);
  await once(socket, "close");
}

/** Where a word of a client or a key could have been left, by name. */
async function everything(): Promise<Map<string, string>> {
  const places = new Map<string, string>([["output of the service", lmx.output]]);
  for (const path of [
    "status",
    "models",
    "models/compatibility",
    "events?last_event_id=0&follow=false",
    "audit",
    "config",
    "health?verbose",
    "memory",
    "models/dossiers",
  ])
    places.set(`/admin/${path}`, await see(`/admin/${path}`));
  places.set("/metrics", await see("/metrics"));
  places.set("/admin/models/lmx-demo/performance", await see("/admin/models/lmx-demo/performance"));
  for (const args of [
    ["logs", "-n", "10000"],
    ["logs", "-w", "-m", "lmx-demo"],
    ["config", "show"],
  ])
    places.set(`lmx ${args.join(" ")}`, (await lmx.lmx(...args)).stdout);
  for (const name of readdirSync(lmx.home, { recursive: true, encoding: "utf8" })) {
    if (/^(?:config\.yaml|cache|models)/.test(name) || !statSync(join(lmx.home, name)).isFile()) continue;
    places.set(name, readFileSync(join(lmx.home, name), "latin1"));
  }
  return places;
}

it("leaves no key and no word of a client in any file, answer to an operator, log or number", async () => {
  const places = await everything();
  // It would find them: these are where a crash and its request are written down.
  const names = [...places.keys()];
  for (const written of [
    /^logs\/supervisor\.log$/,
    /^logs\/workers\/lmx-demo\.log$/,
    /^dossiers\//,
    /^audit/,
  ])
    expect(names).toContainEqual(expect.stringMatching(written));
  expect(places.get("logs/supervisor.log")).toContain("request lost its worker");
  expect(answer).toHaveLength(40);
  const words = [API_KEY, ADMIN_KEY, WRONG_KEY, LATER_KEY, "quagga", PRIVATE, STORY_PROMPT, answer];
  const found = [...places].flatMap(([name, text]) =>
    text
      .split("\n")
      .filter((line) => words.some((word) => line.includes(word)))
      .map((line) => `${name}: ${line.slice(0, 300)}`),
  );
  expect(found).toEqual([]);
});

it.each(["state", "not/there/yet", "~/state"])(
  "makes a state directory that nobody but its user may enter, whichever command is the first: %s",
  (name) => {
    const parent = mkdtempSync(join(tmpdir(), "lmx-first-"));
    onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
    const isOfHome = name.startsWith("~");
    const OPTA_LMX_HOME = isOfHome ? name : join(parent, name);
    const env = { ...process.env, HOME: parent, OPTA_LMX_HOME };
    execFileSync(process.execPath, [LMX, "--version"], { env, cwd: parent });
    const made = isOfHome ? join(parent, name.slice(2)) : OPTA_LMX_HOME;
    expect(statSync(made).mode & 0o777).toBe(0o700);
    expect(readdirSync(parent)).toEqual([name.split("/")[isOfHome ? 1 : 0]]);
  },
);

it("lets nobody but its user read what it writes", () => {
  const open = readdirSync(lmx.home, { recursive: true, encoding: "utf8" }).filter((name) => {
    if (/^(?:config\.yaml|cache|models)/.test(name)) return false;
    return (statSync(join(lmx.home, name)).mode & 0o077) !== 0;
  });
  expect(open).toEqual([]);
});
