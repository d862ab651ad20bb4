import random
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from lmx_worker.output.detokenize import (
    REPLACEMENT,
    ByteDetokenizer,
    Detokenizer,
    WindowDetokenizer,
    byte_level_bytes,
    sentencepiece_bytes,
)
from tests.tiny_models import write_tokenizer

TEXTS = [
    "plain words",
    " leads with a space",
    "ends with spaces  ",
    "naïve façade, größer, Ελληνικά, 日本語, 한국어",
    "👩‍👩‍👧‍👦 family 🏳️‍🌈 flag 🤷🏽‍♀️",
    "line\nbreaks\r\nand\ttabs\u2028\u00a0",
    "<think>🤔</think><tool_call>{}</tool_call>",
]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def byte_level(tokenizer: Tokenizer) -> Detokenizer:
    return ByteDetokenizer(lambda token: byte_level_bytes(tokenizer.id_to_token(token) or ""))


def window(tokenizer: Tokenizer) -> Detokenizer:
    return WindowDetokenizer(lambda ids: tokenizer.decode(list(ids), skip_special_tokens=False))


def pieces(detokenizer: Detokenizer, ids: list[int]) -> list[str]:
    return [*(detokenizer.add(token) for token in ids), detokenizer.flush()]


@pytest.mark.parametrize("make", [byte_level, window])
@pytest.mark.parametrize("text", TEXTS)
def test_the_stream_is_the_whole_text_and_no_piece_ends_in_a_character(
    tokenizer: Tokenizer, text: str, make
) -> None:
    ids = tokenizer.encode(text).ids
    streamed = pieces(make(tokenizer), ids)
    assert "".join(streamed) == text == tokenizer.decode(ids, skip_special_tokens=False)
    assert not any(REPLACEMENT in piece for piece in streamed)


def test_random_bytes_stream_to_what_decoding_all_at_once_gives(tokenizer: Tokenizer) -> None:
    rng = random.Random(0)
    for _ in range(300):
        ids = [rng.randrange(320) for _ in range(rng.randrange(1, 40))]
        whole = tokenizer.decode(ids, skip_special_tokens=False)
        assert "".join(pieces(byte_level(tokenizer), ids)) == whole


@pytest.mark.parametrize("make", [byte_level, window])
def test_a_character_cut_off_by_the_end_is_shown_as_a_replacement(tokenizer: Tokenizer, make) -> None:
    ids = tokenizer.encode("ab🤔").ids[:-1]
    streamed = pieces(make(tokenizer), ids)
    assert "".join(streamed[:-1]) == "ab" and streamed[-1] == REPLACEMENT


def test_an_added_token_outside_the_byte_alphabet_stands_for_itself() -> None:
    assert byte_level_bytes("<｜end｜>") == "<｜end｜>".encode()
    assert byte_level_bytes("Ġdog") == b" dog"


def test_sentencepiece_bytes_and_spaces() -> None:
    vocabulary = {0: "▁Hello", 1: "▁", 2: "<0xF0>", 3: "<0x9F>", 4: "<0xA4>", 5: "<0x94>", 6: "<0xZZ>"}
    detokenizer = ByteDetokenizer(
        lambda token: sentencepiece_bytes(vocabulary[token]), strip_first_space=True
    )
    assert pieces(detokenizer, [0, 1, 2, 3, 4, 5, 6]) == ["Hello", " ", "", "", "", "🤔", "<0xZZ>", ""]


def test_a_hole_in_the_vocabulary_is_empty_text(tmp_path: Path) -> None:
    assert pieces(ByteDetokenizer(lambda _: b""), [1, 2]) == ["", "", ""]
