import { createHash } from "node:crypto";
import type { GenerationRequest, Prompt } from "../../shared/generation.ts";
import { RawJson } from "../json/raw-json.ts";

/** A prompt as the worker will read it. Kept as bytes: a parsed conversation takes many times as much memory. */
export interface EncodedPrompt {
  readonly kind: Prompt["kind"];
  /** JSON, UTF-8. */
  readonly bytes: Uint8Array;
  /** SHA-256 of the bytes, hexadecimal. */
  readonly digest: string;
}

/** A generation request whose prompt is written already, once for all its choices. */
export interface EncodedRequest extends Omit<GenerationRequest, "prompt"> {
  readonly prompt: EncodedPrompt;
}

export function encodePrompt(prompt: Prompt): EncodedPrompt {
  const bytes = new TextEncoder().encode(JSON.stringify(prompt));
  return { kind: prompt.kind, bytes, digest: createHash("sha256").update(bytes).digest("hex") };
}

/** The request with its prompt written; one that has several choices writes it once with `encodePrompt`. */
export function encodeRequest({ prompt, ...options }: GenerationRequest): EncodedRequest {
  return { ...options, prompt: encodePrompt(prompt) };
}

/** What the worker is sent. The raw value becomes the prompt it spells when the line is written. */
export function toWire({ prompt, ...options }: EncodedRequest): GenerationRequest {
  return { ...options, prompt: new RawJson(prompt.bytes) as unknown as Prompt };
}
