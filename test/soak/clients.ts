import { setTimeout as wait } from "node:timers/promises";
import { Random } from "./random.ts";
import type { SoakRequest } from "./request.ts";
import {
  bombRequest,
  chatRequest,
  greedyRequest,
  lightRequest,
  type Role,
  victimRequest,
} from "./request-mix.ts";
import type { SoakRun } from "./soak-run.ts";

const BYSTANDER_PROMPTS = ["go on", "tell me more", "and then?"];
const BYSTANDER_TOKENS = 60;
const MOST_TINY_TOKENS = 4;
/** After an error, so that a refused client does not spin. Milliseconds. */
const AFTER_ERROR_MS = 50;

/** Clients of each victim, and how long each rests between two requests, milliseconds. */
const VICTIM_CLIENTS: readonly (readonly [role: Exclude<Role, "light">, restMs: number])[] = [
  ["tiny", 60],
  ["tiny", 60],
  ["stream", 400],
  ["stream", 800],
  ["leaver", 1_000],
  ["slow-reader", 2_000],
];
const LIGHT_CLIENTS = 4;
/** Without a rest they would take the processor that the workers need to start. Milliseconds. */
const LIGHT_REST_MS = 40;
const BYSTANDER_TINY_CLIENTS = 3;
const BYSTANDER_REST_MS = 120;
/** Rests as the processor that all of this shares allows. Milliseconds. */
const BOMBER_REST_MS = 400;
/** Streams the greedy client always has, of the bystander's model. */
const GREEDY_STREAMS = 6;

/** Text of the bystander by prompt and number of tokens, from before anything was disturbed. */
export type Reference = ReadonlyMap<string, string>;

/** Asks the undisturbed bystander everything it will be asked. @throws Error when it does not answer */
export async function readReference(run: SoakRun): Promise<Reference> {
  const texts = new Map<string, string>();
  for (const prompt of BYSTANDER_PROMPTS)
    for (const tokens of [...Array(MOST_TINY_TOKENS).keys()].map((n) => n + 1).concat(BYSTANDER_TOKENS)) {
      const { answer, outcome } = await run.send(bystanderRequest(run, prompt, tokens, true));
      if (outcome !== "ok") throw new Error(`the bystander does not answer: ${outcome}`);
      texts.set(`${prompt}/${tokens}`, answer.text);
    }
  return texts;
}

/** All clients; resolves when the run is over and each has its last answer. */
export async function runClients(run: SoakRun, reference: Reference): Promise<void> {
  const { bystander, victims } = run.service;
  const clients: Promise<void>[] = [];
  const add = (name: string, restMs: number, ask: (random: Random, name: string) => Promise<boolean>) =>
    clients.push(keepAsking(run, name, restMs, ask));
  for (let n = 0; n < LIGHT_CLIENTS; n++)
    add(`light ${n}`, LIGHT_REST_MS, (random) => isOk(run, lightRequest(random, bystander)));
  add("bystander", BYSTANDER_REST_MS, (random) => askBystander(run, reference, random, BYSTANDER_TOKENS));
  for (let n = 0; n < BYSTANDER_TINY_CLIENTS; n++)
    add(`bystander ${n}`, BYSTANDER_REST_MS, (random) =>
      askBystander(run, reference, random, random.between(1, MOST_TINY_TOKENS)),
    );
  add("bomber", BOMBER_REST_MS, (random) => isOk(run, bombRequest(random, bystander)));
  for (let n = 0; n < GREEDY_STREAMS; n++)
    add(`greedy ${n}`, 0, (random, name) => isOk(run, greedyRequest(random, bystander, name)));
  for (const model of victims)
    for (const [n, [role, restMs]] of VICTIM_CLIENTS.entries())
      add(`${model} ${n}`, restMs, (random, name) => isOk(run, victimRequest(role, model, random, name)));
  await Promise.all(clients);
}

async function keepAsking(
  run: SoakRun,
  client: string,
  restMs: number,
  ask: (random: Random, name: string) => Promise<boolean>,
): Promise<void> {
  for (let number = 0; !run.isOver; number++) {
    const random = new Random(run.options.seed, "client", client, number);
    const isFine = await ask(random, `${client} ${number}`);
    const rest = random.between(0, restMs) + (isFine ? 0 : AFTER_ERROR_MS);
    if (rest > 0) await Promise.race([wait(rest), run.over]);
  }
}

async function isOk(run: SoakRun, request: SoakRequest): Promise<boolean> {
  const { outcome } = await run.send(request);
  return outcome === "ok" || request.model === null;
}

async function askBystander(
  run: SoakRun,
  reference: Reference,
  random: Random,
  tokens: number,
): Promise<boolean> {
  const prompt = BYSTANDER_PROMPTS[random.between(0, BYSTANDER_PROMPTS.length - 1)] ?? "";
  const request = bystanderRequest(run, prompt, tokens, tokens === BYSTANDER_TOKENS || random.next() < 0.5);
  const ended = await run.send(request);
  run.ledger.bystander(request, ended, reference.get(`${prompt}/${tokens}`) ?? "");
  return ended.outcome === "ok";
}

function bystanderRequest(run: SoakRun, prompt: string, maxTokens: number, stream: boolean): SoakRequest {
  const kind = maxTokens === BYSTANDER_TOKENS ? "bystander: stream" : "bystander: tiny";
  return chatRequest({ kind, model: run.service.bystander, prompt, maxTokens, stream });
}
