import { fstatSync } from "node:fs";
import type { CliInput } from "./command.ts";

/**
 * Everything on an input that is no terminal, without the line end that shells put there.
 * @param when `if-piped`: only when a shell put a pipe or a file there. Programs that start others leave an open socket
 * or nothing, and waiting for its end would be waiting for ever.
 */
export async function readPiped(input: CliInput, when: "always" | "if-piped"): Promise<string> {
  if (when === "if-piped" && !isPipeOrFile(input.fd)) return "";
  const chunks: Buffer[] = [];
  for await (const chunk of input) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString("utf8").trimEnd();
}

function isPipeOrFile(fd: number | undefined): boolean {
  if (fd === undefined) return true;
  try {
    const facts = fstatSync(fd);
    return facts.isFIFO() || facts.isFile();
  } catch {
    return false;
  }
}
