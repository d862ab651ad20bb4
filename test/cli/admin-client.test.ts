import { chmod, mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { writeAddress } from "../../supervisor/host/address-file.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { always, errorBody, fakeSupervisor, modelList } from "./fake-supervisor.ts";
import { lmx } from "./lmx.ts";

describe("finding the supervisor", () => {
  const ok = always(200, modelList());

  it("--url comes before OPTA_LMX_URL, and that before the supervisor of the state directory", async () => {
    const home = await temporaryDirectory();
    const [first, second] = [await fakeSupervisor(ok), await fakeSupervisor(ok)];
    const third = await fakeSupervisor(ok, join(home, "admin.sock"));
    const env = { OPTA_LMX_HOME: home };
    await lmx(["ps", "--url", `${first.url}/`], { ...env, OPTA_LMX_URL: second.url });
    await lmx(["ps"], { ...env, OPTA_LMX_URL: second.url });
    await lmx(["ps"], env);
    expect([first.asked.length, second.asked.length, third.asked.length]).toEqual([1, 1, 1]);
    expect(first.asked[0]?.path).toBe("/admin/models");
  });

  it("keys go to a named address only: those of options and environment, never of the configuration", async () => {
    const home = await temporaryDirectory();
    await writeFile(join(home, "config.yaml"), "admin_keys: [from-the-file]\n");
    const named = await fakeSupervisor(ok);
    const noted = await fakeSupervisor(ok);
    await writeAddress(join(home, "address.json"), { url: noted.url, socket: null });
    const env = { OPTA_LMX_HOME: home, OPTA_LMX_ADMIN_KEYS: " key-of-the-env,other-key" };
    await lmx(["ps", "--url", named.url], { OPTA_LMX_HOME: home });
    await lmx(["ps", "--url", named.url], env);
    await lmx(["ps", "--url", named.url, "--admin-key", "typed"], env);
    expect(named.asked.map(({ key }) => key)).toEqual([undefined, "key-of-the-env", "typed"]);
    await lmx(["ps"], env);
    await lmx(["ps", "--admin-key", "typed"], env);
    expect(noted.asked.map(({ key }) => key)).toEqual([undefined, undefined]);
  });

  it("gives an inference key where there are no keys for operators, as the service takes it", async () => {
    const { url, asked } = await fakeSupervisor(ok);
    await lmx(["ps", "--url", url], { OPTA_LMX_API_KEYS: "key-of-the-env" });
    expect(asked.map(({ key }) => key)).toEqual(["key-of-the-env"]);
  });

  it("a redirect is not followed, so a key goes nowhere else", async () => {
    const elsewhere = await fakeSupervisor(ok);
    const headers = { location: `${elsewhere.url}/admin/models` };
    const { url } = await fakeSupervisor(() => ({ status: 307, body: {}, headers }));
    const { code, err } = await lmx(["ps", "--url", url, "--admin-key", "typed"]);
    expect(code).toBe(76);
    expect(err).toContain("HTTP 307");
    expect(elsewhere.asked).toEqual([]);
  });

  it("the socket is asked whatever has become of the configuration", async () => {
    const home = await temporaryDirectory();
    const { asked } = await fakeSupervisor(ok, join(home, "admin.sock"));
    await writeFile(join(home, "config.yaml"), "prot: 1\n");
    expect(await lmx(["ps"], { OPTA_LMX_HOME: home })).toMatchObject({ code: 0, err: "" });
    expect(asked).toHaveLength(1);
  });

  it("a socket in another place is used only where nobody else may enter", async () => {
    const home = await temporaryDirectory();
    const directory = join(await temporaryDirectory(), "private");
    await mkdir(directory, { mode: 0o700 });
    const socket = join(directory, "admin.sock");
    const { asked } = await fakeSupervisor(ok, socket);
    await writeAddress(join(home, "address.json"), { url: "http://127.0.0.1:1", socket });
    const env = { OPTA_LMX_HOME: home };
    expect((await lmx(["ps"], env)).code).toBe(0);
    await chmod(directory, 0o755);
    const { code, err } = await lmx(["ps"], env);
    expect(code).toBe(77);
    expect(err).toContain(`${directory} is open to others (mode 0755)`);
    expect(asked).toHaveLength(1);
  });

  it("nobody there: says so, how to start, exit 69, and asks nobody else", async () => {
    const home = await temporaryDirectory();
    const stranger = await fakeSupervisor(ok);
    const env = { OPTA_LMX_HOME: home, OPTA_LMX_PORT: new URL(stranger.url).port };
    const { code, err } = await lmx(["ps"], env);
    expect(code).toBe(69);
    expect(err).toBe(
      `lmx: No Opta-LMX runs on ${home}. Start it with "lmx serve", or name another address with --url.\n`,
    );
    expect(stranger.asked).toEqual([]);
  });

  it("an address where nobody listens: says which, exit 69", async () => {
    const port = await freePort();
    const { code, err } = await lmx(["ps", "--url", `http://127.0.0.1:${port}`]);
    expect(code).toBe(69);
    expect(err).toBe(
      `lmx: No Opta-LMX answers at http://127.0.0.1:${port}. Start it with "lmx serve", or name another address with --url.\n`,
    );
  });

  it.each([
    ["a page", always(200, "<html>")],
    ["another program's error", always(404, "not here")],
    ["other JSON", always(200, { models: [] })],
  ])("%s instead of an answer exits 76", async (_, answer) => {
    const { url } = await fakeSupervisor(answer);
    const { code, err } = await lmx(["ps", "--url", url]);
    expect(code).toBe(76);
    expect(err).toContain("does not speak like this version of Opta-LMX");
  });

  it("a refused key says how to give one and exits 77", async () => {
    const { url } = await fakeSupervisor(
      always(401, errorBody("invalid_api_key", "Expected an admin key, got none.")),
    );
    const { code, err } = await lmx(["ps", "--url", url]);
    expect(code).toBe(77);
    expect(err).toBe(
      "lmx: Expected an admin key, got none.\nName the address with --url, and give the admin key with --admin-key or OPTA_LMX_ADMIN_KEYS.\n",
    );
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return typeof address === "object" && address !== null ? address.port : 0;
}
