from pathlib import Path

import pytest
from mlx_lm.utils import load_tokenizer

from lmx_worker.failure import RequestFailure
from lmx_worker.mlx_engine.codec import MlxCodec
from lmx_worker.prompt.fill import FILL_TOKENS, FillTokens, encode_fill, find_fill_tokens
from lmx_worker.wire.commands import FillPrompt
from tests.tiny_models import write_tokenizer


class Letters:
    """A tokenizer whose tokens are characters and that begins every text with token 1."""

    bos_token_id = 1

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        return [1] * add_special_tokens + [ord(character) for character in text]


@pytest.mark.parametrize("names", FILL_TOKENS)
def test_every_family_of_names_is_found(names: tuple[str, str, str | None]) -> None:
    vocabulary = {name: 500 + index for index, name in enumerate(names) if name is not None}
    middle = 502 if names[2] is not None else None
    assert find_fill_tokens({"a": 1, **vocabulary}) == FillTokens(500, 501, middle)


def test_half_a_family_is_none() -> None:
    assert find_fill_tokens({"<|fim_prefix|>": 1, "<|fim_suffix|>": 2, "<fim_middle>": 3}) is None
    assert find_fill_tokens({}) is None


def test_the_order_is_the_one_the_model_was_trained_with() -> None:
    prompt = FillPrompt("ab", "c")
    assert encode_fill(Letters(), FillTokens(500, 501, 502), prompt) == [1, 500, 97, 98, 501, 99, 502]
    assert encode_fill(Letters(), FillTokens(500, 501, None), prompt) == [1, 501, 99, 500, 97, 98]
    assert encode_fill(Letters(), FillTokens(500, 501, 502), FillPrompt("", "")) == [1, 500, 501, 502]


def test_a_real_tokenizer_with_the_tokens_fills_and_one_without_says_so(tmp_path: Path) -> None:
    tokenizer = write_tokenizer(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    plain = MlxCodec(load_tokenizer(tmp_path))
    with pytest.raises(RequestFailure) as info:
        plain.encode(FillPrompt("a", "b"))
    assert (info.value.word, info.value.data["param"]) == ("unsupported_parameter", "suffix")
    tokenizer.add_special_tokens(["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    codec = MlxCodec(load_tokenizer(tmp_path))
    ids = codec.encode(FillPrompt("the lazy ", " runs")).token_ids
    assert codec.decode(ids) == "<|fim_prefix|>the lazy <|fim_suffix|> runs<|fim_middle|>"
