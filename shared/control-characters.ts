/**
 * Characters that steer a terminal or turn text around in it: C0 and C1 controls with DEL, what sets the direction of
 * writing (bidi), and the line separators of Unicode.
 */
export const CONTROL_CHARACTERS = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

/** The same, where line ends and tabs belong to the text. */
export const CONTROL_CHARACTERS_IN_LINES = /(?![\n\t])[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

/** Lines of JSON that mean the same and are harmless in a terminal: such a character is written as its escape. */
export function escapedJson(lines: string): string {
  return lines.replaceAll(CONTROL_CHARACTERS_IN_LINES, escapeOf);
}

/** A character of the first 65,536 as JSON writes it when it writes no character. */
export function escapeOf(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
