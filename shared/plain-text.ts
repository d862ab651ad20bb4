import { CONTROL_CHARACTERS, escapeOf } from "./control-characters.ts";

/**
 * The beginning of a text from elsewhere, on one line, with escapes in place of what could steer a terminal. The result
 * is a text of its own: a mere slice would keep all of a long text in memory.
 * @param most characters, beside the ellipsis that says that there was more
 */
export function plainText(text: string, most: number): string {
  let plain = "";
  for (const character of text.slice(0, most).toWellFormed()) {
    const piece = character.replace(CONTROL_CHARACTERS, escapeOf);
    if (plain.length + piece.length > most) return `${plain}…`;
    plain += piece;
  }
  return text.length > most ? `${plain}…` : plain;
}
