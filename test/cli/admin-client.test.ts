import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { writeAddress } from "../../supervisor/host/address-file.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { always, errorBody, fakeSupervisor, modelList } from "./fake-supervisor.ts";
import { lmx } from "./lmx.ts";

describe("finding the supervisor", () => {
  const ok = always(200, modelList());

  it("--url comes before OPTA_LMX_URL, and that before the configuration", async () => {
    const [first, second, third] = [
      await fakeSupervisor(ok),
      await fakeSupervisor(ok),
      await fakeSupervisor(ok),
    ];
    const home = await temporaryDirectory();
    await writeFile(
      join(home, "config.yaml"),
      `port: ${new URL(third.url).port}\nadmin_keys: [from-the-file]\n`,
    );
    const env = { OPTA_LMX_HOME: home };
    await lmx(["ps", "--url", `${first.url}/`], { ...env, OPTA_LMX_URL: second.url });
    await lmx(["ps"], { ...env, OPTA_LMX_URL: second.url, OPTA_LMX_ADMIN_KEYS: " key-of-the-env,other-key" });
    await lmx(["ps"], env);
    await lmx(["ps", "--admin-key", "typed"], env);
    expect([
      first.asked.map(({ key }) => key),
      second.asked.map(({ key }) => key),
      third.asked.map(({ key }) => key),
    ]).toEqual([[undefined], ["key-of-the-env"], ["from-the-file", "typed"]]);
    expect(first.asked[0]?.path).toBe("/admin/models");
  });

  it("gives an inference key where there are no keys for operators, as the service takes it", async () => {
    const { url, asked } = await fakeSupervisor(ok);
    const home = await temporaryDirectory();
    await writeFile(join(home, "config.yaml"), `port: ${new URL(url).port}\napi_keys: [first-key-1]\n`);
    await lmx(["ps"], { OPTA_LMX_HOME: home });
    await lmx(["ps", "--url", url], { OPTA_LMX_API_KEYS: "key-of-the-env" });
    expect(asked.map(({ key }) => key)).toEqual(["first-key-1", "key-of-the-env"]);
  });

  it("--config names another configuration", async () => {
    const { url, asked } = await fakeSupervisor(ok);
    const file = join(await temporaryDirectory(), "c.yaml");
    await writeFile(file, `port: ${new URL(url).port}\n`);
    expect((await lmx(["ps", "--config", file])).code).toBe(0);
    expect(asked).toHaveLength(1);
  });

  it("a broken configuration is an error of its own, and none with an explicit address", async () => {
    const { url } = await fakeSupervisor(ok);
    const home = await temporaryDirectory();
    await writeFile(join(home, "config.yaml"), "prot: 1\n");
    const { code, err } = await lmx(["ps"], { OPTA_LMX_HOME: home });
    expect(code).toBe(78);
    expect(err).toContain('did you mean "port"?');
    expect((await lmx(["ps", "--url", url], { OPTA_LMX_HOME: home })).code).toBe(0);
  });

  it("a supervisor that runs is asked although its configuration is broken by now", async () => {
    const { url } = await fakeSupervisor(ok);
    const home = await temporaryDirectory();
    await writeFile(join(home, "config.yaml"), "prot: 1\n");
    await writeAddress(join(home, "address.json"), url);
    const { code, err } = await lmx(["ps"], { OPTA_LMX_HOME: home });
    expect(code).toBe(0);
    expect(err).toContain('did you mean "port"?');
    expect(err).toContain("asking the supervisor that runs");
  });

  it("a server on all interfaces is asked on this one", async () => {
    const { url } = await fakeSupervisor(ok);
    const env = {
      OPTA_LMX_HOST: "0.0.0.0",
      OPTA_LMX_PORT: new URL(url).port,
      OPTA_LMX_API_KEYS: "key-number-1",
      OPTA_LMX_ADMIN_KEYS: "key-number-2",
    };
    expect((await lmx(["ps"], env)).code).toBe(0);
  });

  it("a port that the system chooses cannot be known", async () => {
    const { code, err } = await lmx(["ps"], { OPTA_LMX_PORT: "0" });
    expect(code).toBe(64);
    expect(err).toContain("--url");
  });

  it("nobody there: says so, how to start, exit 69", async () => {
    const port = await freePort();
    const { code, err } = await lmx(["ps"], { OPTA_LMX_PORT: String(port) });
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
      "lmx: Expected an admin key, got none.\nGive the admin key with --admin-key or OPTA_LMX_ADMIN_KEYS.\n",
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
