"""Token ids to text as they come: never cut inside a character, and nothing lost at the end."""

import codecs
from collections.abc import Callable, Sequence
from typing import Protocol

REPLACEMENT = "\ufffd"


class Detokenizer(Protocol):
    """Turns one row's tokens into text. The concatenation of all results is the text of all tokens."""

    def add(self, token_id: int) -> str:
        """Text that is certain after this token, possibly empty."""
        ...

    def flush(self) -> str:
        """The rest; an incomplete character becomes a replacement character."""
        ...


class ByteDetokenizer:
    """For vocabularies whose tokens are byte strings (byte-level BPE, SentencePiece with byte fallback).

    Linear in the number of tokens, and equal to decoding all bytes at once.
    """

    def __init__(self, token_bytes: Callable[[int], bytes], *, strip_first_space: bool = False) -> None:
        self._token_bytes = token_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._strip_first_space = strip_first_space

    def add(self, token_id: int) -> str:
        """Text that is certain after this token."""
        return self._trim(self._decoder.decode(self._token_bytes(token_id)))

    def flush(self) -> str:
        """The rest of an incomplete character, as a replacement character."""
        return self._trim(self._decoder.decode(b"", True))

    def _trim(self, text: str) -> str:
        if self._strip_first_space and text:
            self._strip_first_space = False
            return text.removeprefix(" ")
        return text


class WindowDetokenizer:
    """For every other tokenizer: decodes a short window twice and returns what the new tokens added.

    `context` are ids the tokens go on after; they are no part of the text.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], context: Sequence[int] = ()) -> None:
        self._decode = decode
        self._ids = _whole_end(decode, context)
        # ids[:_shown] are already text; they stay as context for what follows
        self._shown = len(self._ids)

    def add(self, token_id: int) -> str:
        """Text that is certain after this token."""
        self._ids.append(token_id)
        before, after = self._texts()
        if after.endswith(REPLACEMENT) or len(after) <= len(before):
            return ""
        self._ids = self._ids[self._shown :]
        self._shown = len(self._ids)
        return after[len(before) :]

    def flush(self) -> str:
        """What was held back as possibly incomplete."""
        before, after = self._texts()
        self._shown = len(self._ids)
        return after[len(before) :]

    def _texts(self) -> tuple[str, str]:
        return self._decode(self._ids[: self._shown]), self._decode(self._ids)


def _whole_end(decode: Callable[[Sequence[int]], str], ids: Sequence[int]) -> list[int]:
    """The shortest end of these ids that is text of whole characters, empty when none is."""
    for start in reversed(range(len(ids))):
        text = decode(ids[start:])
        if text and REPLACEMENT not in text:
            return list(ids[start:])
    return []


def byte_level_alphabet() -> dict[str, int]:
    """The printable stand-ins byte-level BPE uses for bytes: character to byte value."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    alphabet = {chr(byte): byte for byte in printable}
    others = (byte for byte in range(256) if byte not in set(printable))
    return alphabet | {chr(256 + index): byte for index, byte in enumerate(others)}


BYTE_LEVEL = byte_level_alphabet()


def byte_level_bytes(token: str) -> bytes:
    """Bytes of a byte-level BPE token; one with other characters (an added token) stands for itself."""
    try:
        return bytes(BYTE_LEVEL[character] for character in token)
    except KeyError:
        return token.encode("utf-8", "replace")


def sentencepiece_bytes(token: str) -> bytes:
    """Bytes of a SentencePiece token: `<0x0A>` is a byte, the low line U+2581 is a space."""
    if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
        try:
            return bytes([int(token[3:5], 16)])
        except ValueError:
            pass
    return token.replace("\u2581", " ").encode("utf-8", "replace")
