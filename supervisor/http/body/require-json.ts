import { LmxError } from "../../../shared/errors.ts";

/**
 * Refuses a body that is not plain JSON. Also what keeps other sites' pages out: a cross-origin request with this content type needs a preflight.
 * @throws LmxError unsupported_media_type
 */
export function requireJson(headers: Headers): void {
  const contentType = headers.get("content-type");
  const contentEncoding = headers.get("content-encoding");
  const mediaType = contentType?.split(";")[0]?.trim().toLowerCase() ?? "";
  if (!/^application\/([\w.-]+\+)?json$/.test(mediaType)) {
    const got = mediaType === "" ? "none" : mediaType.slice(0, 100);
    throw new LmxError("unsupported_media_type", `Expected content type application/json, got ${got}.`);
  }
  if (contentEncoding !== null && contentEncoding.toLowerCase() !== "identity") {
    throw new LmxError(
      "unsupported_media_type",
      "Expected an uncompressed body, got a content-encoding; send it without.",
    );
  }
}
