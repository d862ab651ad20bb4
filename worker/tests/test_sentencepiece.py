"""Tokenizers of SentencePiece: the space that belongs to a word, at the beginning of a text and within it."""

import json

import pytest
from mlx_lm.utils import load_tokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from lmx_worker.mlx_engine.codec import MlxCodec
from lmx_worker.output.detokenize import ByteDetokenizer, WindowDetokenizer
from lmx_worker.wire.commands import FillPrompt, MessagesPrompt, Prompt, TextPrompt, TokenPrompt
from tests.test_admission import answer_to
from tests.test_completion import reported_entries, said

WORDS = ["<s>", "</s>", "▁Once", "▁upon", "▁a", "▁time", "er", "▁", "<0xF0>", "<0x9F>", "<0x98>", "<0x80>"]
MARKERS = ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"]
ID = {word: index for index, word in enumerate(WORDS)}
FACE = [ID[f"<0x{byte:02X}>"] for byte in "😀".encode()]
DECODERS = {
    "bytes": decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    ),
    # The same written otherwise, so that mlx_lm does not know it.
    "window": decoders.Sequence(
        [decoders.ByteFallback(), decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    ),
}


@pytest.fixture(scope="module", params=DECODERS)
def codec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MlxCodec:
    directory = tmp_path_factory.mktemp("codec")
    tokenizer = Tokenizer(models.WordLevel(ID, unk_token="</s>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = DECODERS[request.param]
    tokenizer.add_special_tokens(["<s>", "</s>", *MARKERS])
    tokenizer.save(str(directory / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}
    template = {"chat_template": "{{ messages[0].content }}"}
    (directory / "tokenizer_config.json").write_text(json.dumps({**settings, **template}))
    (directory / "config.json").write_text('{"model_type": "llama"}')
    codec = MlxCodec(load_tokenizer(directory))
    kind = {"bytes": ByteDetokenizer, "window": WindowDetokenizer}[request.param]
    assert isinstance(codec.detokenizer(), kind)
    return codec


def ids(*words: str) -> tuple[int, ...]:
    return tuple(ID[word] for word in words)


@pytest.mark.parametrize(
    ("prompt", "answer", "text"),
    [
        (TextPrompt("Once upon a"), ids("▁time"), " time"),
        (TextPrompt("Once"), ids("er", "▁time"), "er time"),
        (TextPrompt("Once upon a"), (*FACE, *ids("▁time")), "😀 time"),
        (TokenPrompt(ids("▁a")), ids("▁time"), " time"),
        (TokenPrompt(ids("▁a", "▁")), ids("▁time"), " time"),
        (TokenPrompt(tuple(FACE)), (*FACE, *ids("▁time")), "😀 time"),
        (FillPrompt("Once", "a"), ids("▁upon"), " upon"),
    ],
)
def test_what_goes_on_a_text_begins_with_its_space(
    codec: MlxCodec, prompt: Prompt, answer: tuple[int, ...], text: str
) -> None:
    steps = answer_to(codec, prompt, list(answer))
    assert said(steps) == text
    entries = reported_entries(steps)
    assert [entry["token_id"] for entry in entries] == list(answer)
    # Clients are told offsets into the text, which are counted from these.
    assert b"".join(bytes(entry["bytes"]) for entry in entries).decode() == text


@pytest.mark.parametrize("prompt", [TokenPrompt((0,)), MessagesPrompt(({"content": "Once"},), (), {})])
def test_a_text_that_begins_has_no_space_before_it(codec: MlxCodec, prompt: Prompt) -> None:
    assert said(answer_to(codec, prompt, list(ids("▁Once", "▁upon")))) == "Once upon"
