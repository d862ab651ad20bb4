import { Agent, get } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { readChatStream } from "../support/sse.ts";
import type { BystanderAnswer, BystanderQuestion, Glance, HealthCheck, WitnessOrder } from "./witness.ts";

/**
 * What a client that has nothing to do with an attack sees, from a thread of its own: whoever sends the attack may be
 * late, and that is not the service's doing.
 */
const PROBE_EVERY_MS = 20;
/** Later than this an answer is no answer. Milliseconds. */
const GIVEN_UP_MS = 20_000;

const order = workerData as WitnessOrder;
const stopped = new AbortController();
parentPort?.once("message", () => stopped.abort());

const [health, bystander] = await Promise.all([
  probe([`${order.serviceUrl}/livez`, order.bareUrl]),
  keepAsking(order),
]);
parentPort?.postMessage({ health, bystander });

/** A new connection each time, as monitors do; the next question does not wait for a late answer. */
async function probe([livezUrl, bareUrl]: readonly [string, string]): Promise<HealthCheck[]> {
  const checks: Promise<HealthCheck>[] = [];
  while (!stopped.signal.aborted) {
    const both = Promise.all([glance(livezUrl), glance(bareUrl)]);
    checks.push(both.then(([livez, bare]) => ({ livez, bare })));
    await wait(PROBE_EVERY_MS);
  }
  return await Promise.all(checks);
}

function glance(url: string): Promise<Glance> {
  const asked = performance.now();
  const { promise, resolve } = Promise.withResolvers<Glance>();
  const end = (problem: string | null) => resolve({ milliseconds: performance.now() - asked, problem });
  const request = get(url, { agent: new Agent(), timeout: GIVEN_UP_MS }, (response) => {
    response.resume();
    response.once("end", () => end(response.statusCode === 200 ? null : `HTTP ${response.statusCode}`));
    response.once("error", (error) => end(error.message));
  });
  request.once("timeout", () => request.destroy(new Error(`no answer within ${GIVEN_UP_MS} ms`)));
  request.once("error", (error) => end(error.message));
  return promise;
}

async function keepAsking({ serviceUrl, bystander, answers }: WitnessOrder): Promise<BystanderAnswer[]> {
  const seen: BystanderAnswer[] = [];
  while (!stopped.signal.aborted) {
    seen.push(await ask(`${serviceUrl}/v1/chat/completions`, bystander));
    if (seen.length === answers) stopped.abort();
  }
  return seen;
}

async function ask(url: string, { body, headers }: BystanderQuestion): Promise<BystanderAnswer> {
  const asked = performance.now();
  let firstTokenMs: number | null = null;
  const answer = (text: string, problem: string | null): BystanderAnswer => ({
    firstTokenMs,
    endMs: performance.now() - asked,
    text,
    problem,
  });
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body,
      signal: AbortSignal.timeout(4 * GIVEN_UP_MS),
    });
    if (response.status !== 200) return answer("", `HTTP ${response.status} ${await response.text()}`);
    const { text, errors, finishReasons, done } = await readChatStream(response, () => {
      firstTokenMs ??= performance.now() - asked;
    });
    if (errors.length > 0) return answer(text, `the stream ended with ${errors[0]}`);
    return answer(text, finishReasons.length === 1 && done ? null : "the stream did not end once");
  } catch (error) {
    return answer("", `no answer: ${(error as Error).message}`);
  }
}
