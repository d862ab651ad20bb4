import { describe, expect, it } from "vitest";
import { always, errorBody, fakeSupervisor } from "./fake-supervisor.ts";
import { lmx } from "./lmx.ts";

const row = (action: string, model: string | null, reason: string | null = null) => ({
  ts: "2026-11-20T10:00:30.000Z",
  action,
  model,
  actor: { key: "1a2b3c4d", address: "127.0.0.1", via: "http" },
  reason,
  details: { level: 1 },
});

const list = (...data: object[]) => ({ object: "list", data });
const ANSWER = list(row("quarantine", "org/a", "looks odd"), {
  ...row("leave_safe_mode", null),
  actor: { key: null, address: null, via: "start" },
});

describe("audit", () => {
  it("lists who did what, the reasons below", async () => {
    const { url, asked } = await fakeSupervisor(always(200, ANSWER));
    const { code, out } = await lmx(["audit", "--url", url]);
    expect(code).toBe(0);
    expect(out).toBe(
      [
        "WHEN (UTC)        ACTION           MODEL  FROM       KEY",
        "2026-11-20 10:00  quarantine       org/a  127.0.0.1  1a2b3c4d",
        "  looks odd",
        "2026-11-20 10:00  leave_safe_mode  -      start      -",
        "",
      ].join("\n"),
    );
    expect(asked).toMatchObject([{ method: "GET", path: "/admin/audit?limit=40" }]);
  });

  it("asks for what its options say, with --json for all unless told otherwise", async () => {
    const { url, asked } = await fakeSupervisor(always(200, ANSWER));
    await lmx(["audit", "-m", "org/a b&c", "--action", "release", "-n", "7", "--url", url]);
    expect(JSON.parse((await lmx(["audit", "--json", "--url", url])).out)).toEqual(ANSWER);
    await lmx(["audit", "--json", "-n", "3", "--url", url]);
    expect(asked.map(({ path }) => path)).toEqual([
      "/admin/audit?model=org%2Fa+b%26c&action=release&limit=7",
      "/admin/audit?limit=2000",
      "/admin/audit?limit=3",
    ]);
  });

  it("says when there may be more, and when there is nothing", async () => {
    const full = Array.from({ length: 40 }, (_, index) => row("load", `org/${index}`));
    const { url } = await fakeSupervisor(always(200, list(...full)));
    expect((await lmx(["audit", "--url", url])).out).toContain(
      "\n\nOnly the newest 40 are shown: lmx audit --limit 2000\n",
    );
    expect((await lmx(["audit", "-n", "40", "--url", url])).out).not.toContain("Only the newest");
    const empty = await fakeSupervisor(always(200, list()));
    expect((await lmx(["audit", "--url", empty.url])).out).toBe("No such action is on record.\n");
  });

  it("shows nothing that could steer the terminal", async () => {
    const hostile = {
      ...row("a\u001b", "b\u001b", "c\u001bc"),
      actor: { key: "\u001b", address: "\u001b", via: "" },
    };
    const { url } = await fakeSupervisor(always(200, list(hostile)));
    expect((await lmx(["audit", "--url", url])).out).not.toContain("\u001b");
  });

  it("explains a wrong option, and a refusal like every command", async () => {
    const { code, err } = await lmx(["audit", "--limit", "0", "--url", "http://127.0.0.1:1"]);
    expect([code, err]).toEqual([64, expect.stringContaining("expected a whole number from 1 to 2000")]);
    const locked = await fakeSupervisor(always(401, errorBody("invalid_api_key", "No.")));
    expect(await lmx(["audit", "--url", locked.url])).toMatchObject({ code: 77 });
  });
});
