/**
 * Characters in one line of a stream. Readers that take lines have limits: Go's scanner 64 KiB, aiohttp's reader 128 KiB;
 * a character is up to six bytes of JSON.
 */
const MAX_CHARACTERS = 8 * 1024;

/** A text in pieces that fit into a line each, characters whole; none for an empty text. */
export function inLines(text: string): string[] {
  const pieces: string[] = [];
  for (let start = 0; start < text.length; ) {
    let end = start + MAX_CHARACTERS;
    // Not between the halves of a surrogate pair.
    if (end < text.length && (text.codePointAt(end - 1) ?? 0) > 0xffff) end -= 1;
    pieces.push(text.slice(start, end));
    start = end;
  }
  return pieces;
}
