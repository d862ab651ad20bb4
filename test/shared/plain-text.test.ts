import { describe, expect, it } from "vitest";
import { plainText } from "../../shared/plain-text.ts";

describe("the plain beginning of a text from elsewhere", () => {
  it("is the text itself where it is short and plain", () => {
    expect(plainText("naïve 🦙", 20)).toBe("naïve 🦙");
  });

  it("is on one line, and escapes what could steer a terminal or turn the direction of writing", () => {
    expect(plainText("a\nb\u001b[2J\u0085\u202e", 100)).toBe("a\\u000ab\\u001b[2J\\u0085\\u202e");
  });

  it("ends with an ellipsis where there was more, and halves no character", () => {
    expect(plainText("abcdef", 3)).toBe("abc…");
    expect(plainText("ab🦙", 3)).toBe("ab\ufffd…");
  });

  it("is never longer than asked, escapes and all", () => {
    expect(plainText("\u0000".repeat(1_000), 100).length).toBeLessThanOrEqual(101);
  });
});
