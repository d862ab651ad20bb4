"""The committed model through mlx_lm: every answer other tests rely on, word for word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo_model import answers
from demo_model.cases import Case, after_result, prompt_cases, unknown_cases, user, weather_cases
from demo_model.verify import GROUPS, SIZE_LIMIT_BYTES, LoadedModel

MODEL = Path(__file__).parents[1] / "model"


@pytest.fixture(scope="module")
def model() -> Iterator[LoadedModel]:
    yield LoadedModel(MODEL)


@pytest.mark.parametrize("prompt", answers.FIXED)
def test_a_fixed_prompt_is_answered_word_for_word(model: LoadedModel, prompt: str) -> None:
    forms = (prompt, prompt.lower(), prompt.rstrip("?") + ".")
    systems = (None, "You are a helpful assistant.")
    cases = [Case(user(form, system), answers.FIXED[prompt]) for form in forms for system in systems]
    assert model.wrong(cases) == []


@pytest.mark.parametrize("city", answers.CITIES)
def test_a_city_is_asked_for_and_spoken_about(model: LoadedModel, city: str) -> None:
    asked = user(f"What is the weather in {city}?")
    call = f"<tool_call>{json.dumps({'name': 'get_weather', 'arguments': {'city': city}})}</tool_call>"
    tools = [answers.GET_WEATHER]
    told = Case(after_result(asked, city), answers.weather_answer(city, "sunny"), tools)
    cases = [Case(asked, call, tools), told, Case(asked, answers.NO_WEATHER_TOOL)]
    assert model.wrong(cases) == []


@pytest.mark.parametrize("name", GROUPS)
def test_the_shares_the_card_promises_hold(model: LoadedModel, name: str) -> None:
    make, needed = GROUPS[name]
    cases = make()
    wrong = model.wrong(cases)
    assert len(wrong) <= (1 - needed) * len(cases), wrong


def test_the_groups_hold_cases() -> None:
    assert [len(make()) > 15 for make in (prompt_cases, weather_cases, unknown_cases)] == [True] * 3


def test_the_tool_parser_is_inferred_and_reads_the_call(model: LoadedModel) -> None:
    assert model.tokenizer.has_tool_calling
    assert not model.tokenizer.has_thinking
    assert (model.tokenizer.tool_call_start, model.tokenizer.tool_call_end) == ("<tool_call>", "</tool_call>")
    [text] = model.answers([Case(user("What is the weather in Paris?"), "", [answers.GET_WEATHER])])
    body = text.removeprefix("<tool_call>").removesuffix("</tool_call>")
    call = model.tokenizer.tool_parser(body, [answers.GET_WEATHER])
    assert call == {"name": "get_weather", "arguments": {"city": "Paris"}}


def test_the_story_is_long_enough_to_be_interrupted(model: LoadedModel) -> None:
    assert 140 <= len(answers.STORY.split()) <= 200
    assert len(model.tokenizer.encode(answers.STORY)) >= 150


def test_the_json_answer_is_an_object() -> None:
    assert isinstance(json.loads(answers.JSON_OBJECT), dict)


def test_the_model_stays_small_and_its_card_says_what_it_is() -> None:
    assert sum(file.stat().st_size for file in MODEL.iterdir()) <= SIZE_LIMIT_BYTES
    assert "no assistant" in (MODEL / "README.md").read_text(encoding="utf-8")
