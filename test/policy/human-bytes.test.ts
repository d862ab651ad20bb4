import { expect, it } from "vitest";
import { humanBytes } from "../../supervisor/policy/human-bytes.ts";

it.each([
  [0, "0 B"],
  [-5, "0 B"],
  [1023, "1023 B"],
  [1024, "1.0 KiB"],
  [1024 ** 2 - 1, "1.0 MiB"],
  [1.44 * 1024 ** 3, "1.4 GiB"],
  [5_000 * 1024 ** 4, "5000.0 TiB"],
])("%d bytes read as %s", (bytes, text) => {
  expect(humanBytes(bytes)).toBe(text);
});

it("never lets too little read like enough", () => {
  const need = 5 * 1024 ** 3 + 1;
  expect(humanBytes(need, "up")).toBe("5.1 GiB");
  expect(humanBytes(need - 1, "down")).toBe("5.0 GiB");
  expect(humanBytes(need, "down")).toBe("5.0 GiB");
});
