"""The text side of a loaded model, on top of mlx_lm's TokenizerWrapper."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from mlx_lm.tokenizer_utils import (
    BPEStreamingDetokenizer,
    NewlineTokenizer,
    SPMStreamingDetokenizer,
    TokenizerWrapper,
)

from lmx_worker.engine.interface import EncodedPrompt, ModelFacts
from lmx_worker.mlx_engine.templates import is_program, render_with
from lmx_worker.output.bare_calls import shows_bare_calls
from lmx_worker.output.call_shapes import strict_parser
from lmx_worker.output.detokenize import (
    REPLACEMENT,
    ByteDetokenizer,
    Detokenizer,
    WindowDetokenizer,
    byte_level_bytes,
    sentencepiece_bytes,
)
from lmx_worker.output.harmony import TOKENS, shows_harmony
from lmx_worker.output.text import NORMAL, REASONING, TOOL, Marker, TextFormat
from lmx_worker.prompt.conversation import with_call_ids, with_thinking
from lmx_worker.prompt.fill import find_fill_tokens
from lmx_worker.prompt.prompt import encode_prompt
from lmx_worker.prompt.renderer import Renderer
from lmx_worker.wire.commands import MessagesPrompt, Prompt

BARE_JSON = "bare_json"
HARMONY = "harmony"
# Letters and digits of a call's id where templates refuse calls of earlier turns with others, by parser.
CALL_ID_LENGTHS = {"mistral": 9}

# So many ids of a text show how what follows is decoded: more than a character of bytes and a few markers.
CONTEXT_TOKENS = 16


class MlxCodec:
    """Two copies of the tokenizer: fast tokenizers must not be used by two threads at once."""

    def __init__(self, tokenizer: TokenizerWrapper) -> None:
        self._tokenizer = tokenizer
        self._prompt_tokenizer: Any = copy.deepcopy(tokenizer)
        self.text_format = text_format(tokenizer)
        self.has_chat_template = bool(tokenizer.has_chat_template)
        self.token_bytes = TokenBytes(tokenizer)
        vocabulary = tokenizer.get_vocab()
        self.longest_token_bytes = self.token_bytes.longest(vocabulary)
        self._special_ids = frozenset(tokenizer.all_special_ids)
        self._fill = find_fill_tokens(vocabulary)
        self._reads_thinking = self.text_format.harmony and "thinking" in tokenizer.chat_template
        self.line_break_ids = tuple(tokenizer.encode("\n", add_special_tokens=False))
        self._renderer: Renderer | None = None

    def isolate_template(self, facts: ModelFacts) -> None:
        """From now on a template that came with the model is rendered in a process of its own."""
        if is_program(self._prompt_tokenizer):
            self._renderer = Renderer(facts, self.longest_token_bytes)
            render_with(self._prompt_tokenizer, self._renderer)

    def close(self) -> None:
        """End that process."""
        if self._renderer is not None:
            self._renderer.close()

    def detokenizer(self, continues: Sequence[int] = ()) -> Detokenizer:
        """A fresh one for one row that goes on the text of these ids; main thread only.

        Tokenizers of SentencePiece do not show the space at the beginning of a text. Where a text goes on,
        that space is the one between two words.
        """
        context = [token for token in continues[-CONTEXT_TOKENS:] if token not in self._special_ids]
        kind = self._tokenizer.detokenizer
        if isinstance(self._tokenizer._tokenizer, NewlineTokenizer):
            return WindowDetokenizer(self.decode, context)
        if isinstance(kind, BPEStreamingDetokenizer):
            return ByteDetokenizer(self.token_bytes)
        if isinstance(kind, SPMStreamingDetokenizer):
            return ByteDetokenizer(self.token_bytes, strip_first_space=kind.trim_space and not context)
        return WindowDetokenizer(self.decode, context)

    def encode(self, prompt: Prompt) -> EncodedPrompt:
        """Render and tokenise with the copy; preparation thread only."""
        if self._renderer is not None:
            self._renderer.begin()
        length = self.text_format.call_id_length
        if length is not None and isinstance(prompt, MessagesPrompt):
            prompt = replace(prompt, messages=with_call_ids(prompt.messages, length))
        if self._reads_thinking and isinstance(prompt, MessagesPrompt):
            prompt = replace(prompt, messages=with_thinking(prompt.messages))
        return encode_prompt(self._prompt_tokenizer, prompt, self._fill)

    def decode(self, token_ids: Any) -> str:
        """Text of token ids, special tokens included, ids without a token left out; main thread only."""
        ids = list(token_ids)
        try:
            return self._tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        except Exception:  # tokenizers in Python refuse ids without a token, each with its own exception
            ids = [token_id for token_id in ids if find_token(self._tokenizer, token_id) is not None]
            return self._tokenizer.decode(ids, clean_up_tokenization_spaces=False)


class TokenBytes:
    """Bytes of a token by id, remembered. Ids without a token (padding of the vocabulary) are empty."""

    def __init__(self, tokenizer: TokenizerWrapper) -> None:
        self._tokenizer = tokenizer
        match tokenizer.detokenizer:
            case SPMStreamingDetokenizer():
                self._to_bytes = sentencepiece_bytes
            case BPEStreamingDetokenizer():
                self._to_bytes = byte_level_bytes
            case _:
                self._to_bytes = None
        self._known: dict[int, bytes] = {}

    def __call__(self, token_id: int) -> bytes:
        """Bytes this token stands for."""
        known = self._known.get(token_id)
        if known is None:
            known = self._known[token_id] = self._find(token_id)
        return known

    def longest(self, vocabulary: Iterable[str]) -> int:
        """Length of the longest of these tokens in bytes; where only decoding tells, of its name."""
        to_bytes = self._to_bytes or str.encode
        return max((len(to_bytes(token)) for token in vocabulary), default=1)

    def _find(self, token_id: int) -> bytes:
        token = find_token(self._tokenizer, token_id)
        if token is None:
            return b""
        if self._to_bytes is not None:
            return self._to_bytes(token)
        text = self._tokenizer.decode([token_id], clean_up_tokenization_spaces=False)
        decoded, piece = text.encode("utf-8", "replace"), sentencepiece_bytes(token)
        # Alone it is the beginning of a text, where these tokenizers do not show a space.
        return piece if REPLACEMENT in text or piece == b" " + decoded else decoded


def find_token(tokenizer: Any, token_id: int) -> str | None:
    """The vocabulary's entry, None for an id without one: embeddings are often larger than vocabularies."""
    try:
        token = tokenizer.convert_ids_to_tokens(token_id)
    except Exception:  # as in `decode`
        return None
    return token if isinstance(token, str) else None


def parser_name(tokenizer: Any) -> str | None:
    """How the model's calls are read: one of mlx_lm's parsers, `harmony`, `bare_json`; None: nobody can."""
    if tokenizer.has_tool_calling:
        return tokenizer.init_kwargs.get("tool_parser_type")
    if shows_harmony(tokenizer.chat_template) and tokenizer.get_vocab().keys() >= set(TOKENS):
        return HARMONY
    # Behind a reasoning a call would not be the whole answer.
    bare = not tokenizer.has_thinking and shows_bare_calls(tokenizer.chat_template)
    return BARE_JSON if bare else None


def text_format(tokenizer: Any) -> TextFormat:
    """Markers of this model, from what mlx_lm inferred of its chat template and vocabulary."""
    edges: dict[str, list[Marker]] = {NORMAL: []}
    if tokenizer.has_thinking:
        edges[NORMAL].append(Marker(tokenizer.think_start, REASONING))
        edges[REASONING] = [Marker(tokenizer.think_end, NORMAL)]
    # A response format that leads to calls by itself decides where they start.
    formatted = {to for markers in tokenizer.response_transitions.values() for _, to in markers}
    if tokenizer.has_tool_calling:
        start = Marker(tokenizer.tool_call_start, TOOL)
        if TOOL not in formatted:
            edges[NORMAL].append(start)
        if tokenizer.has_thinking:
            edges[REASONING].append(start)
        edges[TOOL] = [Marker(tokenizer.tool_call_end, NORMAL)] if tokenizer.tool_call_end else []
    edges[NORMAL] += [Marker(text, NORMAL) for text in tokenizer.structural_markers]
    for state, markers in tokenizer.response_transitions.items():
        edges.setdefault(state, []).extend(Marker(text, to) for text, to in markers)
    name = parser_name(tokenizer)
    return TextFormat(
        transitions={state: tuple(markers) for state, markers in edges.items()},
        parse_call=strict_parser(name or "", tokenizer.tool_parser) if tokenizer.tool_parser else None,
        call_id_length=CALL_ID_LENGTHS.get(name) if name else None,
        bare_calls=name == BARE_JSON,
        harmony=name == HARMONY,
    )
