import { describe, expect, it } from "vitest";
import { ERRORS, type ErrorCode, errorRow, LmxError } from "../../shared/errors.ts";
import { errorReply, errorSurface } from "../../supervisor/http/error-reply.ts";

describe("errorReply", () => {
  it.each(Object.keys(ERRORS) as ErrorCode[])("renders %s by its row, on both surfaces", (code) => {
    const row = errorRow(code);
    const error = new LmxError(code, "message", { details: { free: 1 } });
    const openai = errorReply(error, "openai");
    expect(openai.status).toBe(row.status);
    expect(openai.body).toEqual({ error: { message: "message", type: row.openaiType, param: null, code } });
    expect(openai.headers["x-should-retry"]).toBe(String(row.retryable));
    const admin = errorReply(error, "admin");
    expect(admin.status).toBe(row.adminStatus ?? row.status);
    expect(admin.body.error.details).toEqual({ free: 1 });
  });

  it("sends Retry-After on retryable errors only, between 1 and 60", () => {
    const retryAfter = (retryable: boolean, retryAfterSeconds?: number) =>
      errorReply(
        new LmxError("model_not_ready", "m", {
          retryable,
          ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
        }),
        "openai",
      ).headers["retry-after"];
    expect(retryAfter(true)).toBe("1");
    expect(retryAfter(true, 0.2)).toBe("1");
    expect(retryAfter(true, 7.1)).toBe("8");
    expect(retryAfter(true, 3600)).toBe("60");
    expect(retryAfter(false, 7)).toBeUndefined();
  });

  it("knows admin paths from their look-alikes", () => {
    expect(["/admin", "/admin/models", "/administer", "/v1/admin"].map(errorSurface)).toEqual([
      "admin",
      "admin",
      "openai",
      "openai",
    ]);
  });
});
