import { describe, expect, it } from "vitest";
import type { ServiceEvent } from "../../shared/events.ts";
import { type Answer, always, errorBody, fakeSupervisor } from "./fake-supervisor.ts";
import { lmx } from "./lmx.ts";

const event = (id: number, type: string, changes: Partial<ServiceEvent> = {}): ServiceEvent => ({
  id,
  ts: "2026-11-20T10:00:30.123Z",
  type,
  model: "m",
  reason: null,
  details: {},
  ...changes,
});

const RESET = event(6, "reset", { model: null });
const reason = { code: "worker_crashed", cause: "native_segv", message: "The worker died" };
const ALL = [
  event(7, "state", { details: { from: "loading", to: "routable", detail: null } }),
  event(8, "load_progress", { details: { phase: "weights", loaded_bytes: 1, total_bytes: 4 } }),
  event(9, "canary", { details: { outcome: "pass", warning: null } }),
  event(10, "worker_exited", { reason, details: { pid: 7, cause: "native_segv", dossier_id: "d1" } }),
  event(11, "state", { details: { from: "routable", to: "admitted", detail: "backoff" } }),
  event(12, "quarantined", { details: { until: null } }),
  event(13, "safe_mode_entered", { model: null, details: { message: "3 starts failed" } }),
  event(14, "something_new", { details: { a: 1 } }),
  event(15, "config_reloaded", { model: null, details: { applied: ["log_level"], needs_restart: ["port"] } }),
  event(16, "config_refused", { model: null, reason: { ...reason, message: "prot is unknown" } }),
];

const stream = (...events: ServiceEvent[]) =>
  `retry: 2000\n\n${events.map((one) => `id: ${one.id}\nevent: ${one.type}\ndata: ${JSON.stringify(one)}\n\n`).join("")}: keep-alive\n\n`;

/** Answers in turn; `stopping` ends the command, which would go on for ever. */
function inTurn(...bodies: string[]): Answer {
  return () => {
    const body = bodies.shift();
    return body === undefined
      ? { status: 401, body: errorBody("invalid_api_key", "stopping") }
      : { status: 200, body };
  };
}

describe("events", () => {
  it("lists what has happened, a line each", async () => {
    const { url, asked } = await fakeSupervisor(always(200, stream(RESET, ...ALL)));
    const { code, out } = await lmx(["events", "--url", url]);
    expect(code).toBe(0);
    const at = "2026-11-20 10:00:30.123";
    expect(out.split("\n")).toEqual([
      `${at}  m  loading -> routable`,
      `${at}  m  loading weights 25 %`,
      `${at}  m  canary passed`,
      `${at}  m  worker 7 ended, native_segv, dossier d1: The worker died`,
      `${at}  m  routable -> admitted (backoff)`,
      `${at}  m  quarantined`,
      `${at}  safe mode: 3 starts failed`,
      `${at}  m  something_new {"a":1}`,
      `${at}  configuration reloaded: log_level; at the next start: port`,
      `${at}  the configuration was not reloaded: prot is unknown`,
      "",
    ]);
    expect(asked).toMatchObject([{ path: "/admin/events?last_event_id=0&follow=false" }]);
  });

  it("prints one line of JSON each with --json, of one model when asked", async () => {
    const { url, asked } = await fakeSupervisor(always(200, stream(RESET, ...ALL)));
    const { out } = await lmx(["events", "--json", "--model", "org/a", "--admin-key", "k", "--url", url]);
    expect(
      out
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual(ALL);
    expect(asked).toMatchObject([
      { path: "/admin/events?model=org%2Fa&last_event_id=0&follow=false", key: "k" },
    ]);
  });

  it("follows, and goes on where a broken connection left it", async () => {
    const [a, b, c] = ALL as [ServiceEvent, ServiceEvent, ServiceEvent];
    const { url, asked } = await fakeSupervisor(inTurn(stream(RESET, a), stream(b), stream(), stream(c)));
    const { code, out, err } = await lmx(["events", "--follow", "--json", "--url", url]);
    expect(
      out
        .split("\n")
        .slice(0, 3)
        .map((line) => JSON.parse(line).id),
    ).toEqual([7, 8, 9]);
    expect(asked.map(({ path }) => path)).toEqual([
      "/admin/events?last_event_id=0&follow=false",
      "/admin/events?last_event_id=7&follow=true",
      "/admin/events?last_event_id=8&follow=true",
      "/admin/events?last_event_id=8&follow=true",
      "/admin/events?last_event_id=9&follow=true",
    ]);
    // A refusal stays one: it is not tried for ever.
    expect([code, `${out}${err}`]).toEqual([77, expect.stringContaining("stopping")]);
  });

  it("says so when nobody answers, or something else does", async () => {
    expect((await lmx(["events", "--follow", "--url", "http://127.0.0.1:1"])).code).toBe(69);
    const { url } = await fakeSupervisor(always(200, 'data: {"choices":[]}\n\n'));
    expect((await lmx(["events", "--url", url])).code).toBe(76);
  });

  it("shows nothing that could steer the terminal", async () => {
    const bad = event(7, "state", {
      model: "a\u001b[2J",
      details: { from: "\u001b", to: "x", detail: null },
    });
    const { url } = await fakeSupervisor(always(200, stream(bad)));
    expect((await lmx(["events", "--url", url])).out).not.toContain("\u001b");
  });
});
