"""The text side of a loaded model, on top of mlx_lm's TokenizerWrapper."""

import copy
from typing import Any

from mlx_lm.tokenizer_utils import (
    BPEStreamingDetokenizer,
    NewlineTokenizer,
    SPMStreamingDetokenizer,
    TokenizerWrapper,
)

from lmx_worker.commands import Prompt
from lmx_worker.detokenize import (
    ByteDetokenizer,
    Detokenizer,
    WindowDetokenizer,
    byte_level_bytes,
    sentencepiece_bytes,
)
from lmx_worker.engine import EncodedPrompt
from lmx_worker.prompt import encode_prompt
from lmx_worker.text import NORMAL, REASONING, TOOL, Marker, TextFormat


class MlxCodec:
    """Two copies of the tokenizer: fast tokenizers must not be used by two threads at once."""

    def __init__(self, tokenizer: TokenizerWrapper) -> None:
        self._tokenizer = tokenizer
        self._prompt_tokenizer: Any = copy.deepcopy(tokenizer)
        self.text_format = text_format(tokenizer)
        self.has_chat_template = bool(tokenizer.has_chat_template)
        self._token_bytes = TokenBytes(tokenizer)
        self.longest_token_bytes = max((len(token.encode()) for token in tokenizer.get_vocab()), default=1)

    def detokenizer(self) -> Detokenizer:
        """A fresh one for one row; main thread only."""
        kind = self._tokenizer.detokenizer
        if isinstance(self._tokenizer._tokenizer, NewlineTokenizer):
            return WindowDetokenizer(self._decode)
        if isinstance(kind, BPEStreamingDetokenizer):
            return ByteDetokenizer(self._token_bytes)
        if isinstance(kind, SPMStreamingDetokenizer):
            return ByteDetokenizer(self._token_bytes, strip_first_space=kind.trim_space)
        return WindowDetokenizer(self._decode)

    def encode(self, prompt: Prompt) -> EncodedPrompt:
        """Render and tokenise with the copy; preparation thread only."""
        return encode_prompt(self._prompt_tokenizer, prompt)

    def _decode(self, token_ids: Any) -> str:
        return self._tokenizer.decode(list(token_ids), clean_up_tokenization_spaces=False)


class TokenBytes:
    """Bytes of a token by id, remembered. Ids without a token (padding of the vocabulary) are empty."""

    def __init__(self, tokenizer: TokenizerWrapper) -> None:
        self._tokenizer = tokenizer
        spm = isinstance(tokenizer.detokenizer, SPMStreamingDetokenizer)
        self._to_bytes = sentencepiece_bytes if spm else byte_level_bytes
        self._known: dict[int, bytes] = {}

    def __call__(self, token_id: int) -> bytes:
        """Bytes this token stands for."""
        known = self._known.get(token_id)
        if known is None:
            token = self._tokenizer.convert_ids_to_tokens(token_id)
            known = self._known[token_id] = self._to_bytes(token) if isinstance(token, str) else b""
        return known


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
    return TextFormat(
        transitions={state: tuple(markers) for state, markers in edges.items()},
        tool_start=tokenizer.tool_call_start or "",
        tool_end=tokenizer.tool_call_end or "",
        parse_call=tokenizer.tool_parser,
    )
