import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { redact } from "../../supervisor/policy/redact.ts";

const facts = { homes: ["/home/al", "/Users/al"], secrets: ["my-admin-key", "short"] };
const clean = (text: string) => redact(text, facts);

describe("redact", () => {
  it.each([
    ['File "/home/al/models/x.py", line 3', 'File "~/models/x.py", line 3'],
    ["in /home/al.", "in ~."],
    ["/home/al", "~"],
    ["/System/Volumes/Data/Users/al/x", "/System/Volumes/Data~/x"],
    ["/users/AL/x", "~/x"],
    ["/home/alice/x", "/home/alice/x"],
    ["/home/al-2/x and /home/al.old/x", "/home/al-2/x and /home/al.old/x"],
  ])("home: %j becomes %j", (text, expected) => {
    expect(clean(text)).toBe(expected);
  });

  it.each([
    ["key my-admin-key was refused", "key [redacted] was refused"],
    ["OPENAI sk-proj-abcdefgh12345678 end", "OPENAI [redacted] end"],
    ["token hf_abcdefghijklmnop", "token [redacted]"],
    ["ghp_0123456789abcdefghij", "[redacted]"],
    ["AKIAABCDEFGHIJKLMNOP", "[redacted]"],
    ["eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSM", "[redacted]"],
    ["Authorization: Bearer abcdefgh12345678", "Authorization: Bearer [redacted]"],
    ['"api_key": "abcdefgh12345678"', '"api_key": "[redacted]"'],
    ["HF_TOKEN=abcdefgh12345678 python", "HF_TOKEN=[redacted] python"],
    ["https://user:pa55w0rd@example.org/x", "https://user:[redacted]@example.org/x"],
    ["-----BEGIN PRIVATE KEY-----\nMIIEabc+/=\nMIIEdef", "[redacted]"],
    ['"-----BEGIN PRIVATE KEY-----\\nMIIEabc\\n-----END PRIVATE KEY-----\\n"', '"[redacted]\\n"'],
    ["-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nnext", "[redacted]\nnext"],
  ])("keys: %j becomes %j", (text, expected) => {
    expect(clean(text)).toBe(expected);
  });

  it.each([
    "max_tokens: 1024, eos_token: '<|im_end|>', eos_token_id=151645",
    "tokenizer.json: 11421896 bytes",
    "token short",
    `fingerprint ${"0123456789abcdef".repeat(4)}`,
    'File "/usr/lib/python3.12/threading.py", line 1012 in run',
    "libc++abi: terminating due to uncaught exception of type std::runtime_error: [METAL] Command buffer",
  ])("leaves %j as it is", (text) => {
    expect(clean(text)).toBe(text);
  });

  it("takes no home for the root directory", () => {
    expect(redact("/usr/bin", { homes: ["/", ""], secrets: [] })).toBe("/usr/bin");
  });

  it("changes nothing the second time, and never keeps a known key or the home", () => {
    const pieces = fc.constantFrom(
      "/home/al",
      "/",
      "my-admin-key",
      " ",
      "x",
      "Bearer ",
      "token=",
      "\n",
      "é",
      "~",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 20 }), (parts) => {
        const once = clean(parts.join(""));
        expect(clean(once)).toBe(once);
        expect(once).not.toContain("my-admin-key");
        expect(once).not.toMatch(/\/home\/al(?:\/|\s|$)/);
      }),
    );
  });

  // The test's own time limit is the bound.
  it("gets through 64 KiB of the beginnings of keys", () => {
    const nasty = ["-----BEGIN PRIVATE KEY-----", "eyJ", "token=", "a://", "sk-", "=: "].map((piece) =>
      piece.repeat(Math.ceil((64 * 1024) / piece.length)),
    );
    for (const text of nasty) expect(clean(clean(text)) === clean(text), text.slice(0, 30)).toBe(true);
  });
});
