"""What the prompt decides about how an answer is read."""

import pytest
from mlx_lm.utils import load_tokenizer

from lmx_worker.engine.interface import LoadedModel, ModelFacts, RowToken, TokenLogprobs
from lmx_worker.mlx_engine.codec import MlxCodec
from lmx_worker.scheduling.completion import Completion
from lmx_worker.scheduling.input_processor import admit_prompt
from lmx_worker.wire.commands import (
    FillPrompt,
    Generate,
    MessagesPrompt,
    Prompt,
    Sampling,
    TextPrompt,
    TokenPrompt,
)
from tests.test_completion import Events, finish_of, ids_of, reported, said
from tests.tiny_models import write_tokenizer

CHAT = MessagesPrompt(({"role": "user", "content": "hi"},), (), {})
THOUGHT = "the <think>lazy</think> dog"


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> MlxCodec:
    directory = tmp_path_factory.mktemp("codec")
    write_tokenizer(directory, fill=True)
    (directory / "config.json").write_text('{"model_type": "llama", "vocab_size": 320}')
    return MlxCodec(load_tokenizer(directory))


def answer_to(codec: MlxCodec, prompt: Prompt, ids: list[int], *, stop: tuple[str, ...] = ()) -> list[Events]:
    """Events by step when a model goes on with these tokens after this prompt, all reported."""
    facts = ModelFacts("llama", 2048, 320, (0,), None, True)
    command = Generate("a", prompt, Sampling(), 100, stop, logprobs=0)
    admitted = admit_prompt(1, command, codec.encode(prompt), LoadedModel(facts, codec, 8), None)
    assert isinstance(admitted.sink, Completion)
    steps: list[Events] = []
    for token in (*ids, None):
        row = RowToken(0, token or 0, "stop" if token is None else None, None, TokenLogprobs(-1.0, []))
        steps.append(admitted.sink.accept(row)["events"])
        if admitted.sink.finished:
            break
    return steps


@pytest.mark.parametrize("prompt", [TextPrompt("hi"), FillPrompt("a", "b"), TokenPrompt((5,))])
def test_what_goes_on_a_text_is_text_markers_and_all(codec: MlxCodec, prompt: Prompt) -> None:
    ids = ids_of(codec, THOUGHT)
    steps = answer_to(codec, prompt, ids)
    assert {event["type"] for step in steps for event in step} == {"text", "finish"}
    assert said(steps) == THOUGHT and reported(steps) == ids
    assert finish_of(steps)["usage"]["reasoning_tokens"] == 0
    assert said(answer_to(codec, prompt, ids, stop=("azy",))) == "the <think>l"
    assert said(answer_to(codec, CHAT, ids, stop=("azy",))) == "the  dog"
