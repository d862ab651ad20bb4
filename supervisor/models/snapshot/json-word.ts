const digits = { value: 0, end: -1 };

/** The whole number that begins here, the most frequent word by far; `end` −1: it is something else or may go on. */
export function readDigits(bytes: Buffer, at: number): typeof digits {
  let value = 0;
  let end = at;
  for (; end < bytes.length; end += 1) {
    const digit = (bytes[end] as number) - 0x30;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  const hasLeadingZero = bytes[at] === 0x30 && end > at + 1;
  const isWhole = end > at && end < at + 16 && end < bytes.length && !isWordByte(bytes[end] as number);
  digits.value = value;
  digits.end = isWhole && !hasLeadingZero ? end : -1;
  return digits;
}

/** Letters, digits, sign, point: what numbers and the literals are made of. */
export function isWordByte(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    byte === 0x2d ||
    byte === 0x2b ||
    byte === 0x2e
  );
}
