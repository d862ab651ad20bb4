import { expect, it } from "vitest";
import { takeSecrets } from "../../supervisor/host/take-secrets.ts";

it("takes the keys of services out of the environment and keeps them for whoever reads it later", () => {
  const secrets = {
    OPENAI_API_KEY: "sk-one",
    ANTHROPIC_API_KEY: "sk-two",
    HF_TOKEN: "hf_three",
    HUGGING_FACE_HUB_TOKEN: "hf_four",
    OPTA_LMX_API_KEYS: "five,six",
    OPTA_LMX_ADMIN_KEYS: "seven",
  };
  const others = {
    PATH: "/bin",
    HTTPS_PROXY: "http://user:password@proxy",
    PIP_INDEX_URL: "https://user:password@index",
    UV_INDEX_OURS_PASSWORD: "password",
    OPTA_LMX_PORT: "1",
    TOKENIZERS_PARALLELISM: "1",
  };
  const env: Record<string, string> = { ...secrets, ...others };
  const taken = takeSecrets(env);
  expect(env).toEqual(others);
  expect(taken.whole).toEqual({ ...secrets, ...others });
  expect(taken.secrets.toSorted()).toEqual(Object.values(secrets).toSorted());
});
