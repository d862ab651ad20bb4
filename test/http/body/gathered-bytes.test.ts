import fc from "fast-check";
import { expect, it } from "vitest";
import { GatheredBytes } from "../../../supervisor/http/body/gathered-bytes.ts";

it("gives back what came, however it was cut", () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 200_000 }), { maxLength: 20 });
  fc.assert(
    fc.property(pieces, (all) => {
      const gathered = new GatheredBytes();
      for (const piece of all) gathered.push(piece);
      const joined = gathered.joined();
      expect(gathered.length).toBe(joined.byteLength);
      expect(Buffer.concat(all).equals(joined)).toBe(true);
    }),
    { numRuns: 50 },
  );
});

it("holds bytes that come one by one in few blocks", () => {
  const gathered = new GatheredBytes();
  const before = process.memoryUsage();
  for (let index = 0; index < 2 ** 20; index += 1) gathered.push(Uint8Array.of(index));
  const after = process.memoryUsage();
  expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(4 * 2 ** 20);
  expect(gathered.length).toBe(2 ** 20);
});
