"""A token with its log probability and alternatives, in the protocol's form."""

from collections.abc import Callable
from typing import Any

from lmx_worker.engine.interface import RowToken


class TokenReport:
    """Describes tokens with `alternatives` others. Part of a character shows as a replacement character."""

    def __init__(self, token_bytes: Callable[[int], bytes], alternatives: int) -> None:
        self._token_bytes = token_bytes
        self._alternatives = alternatives

    def __call__(self, token: RowToken) -> dict[str, Any]:
        """The token as accepted.

        Raises:
            ValueError: the engine gave no log probabilities for it.
        """
        found = token.logprobs
        if found is None:
            raise ValueError("a token without log probabilities")
        top = [self._entry(token_id, logprob) for token_id, logprob in found.top[: self._alternatives]]
        return {**self._entry(token.token_id, found.logprob), "top": top}

    def _entry(self, token_id: int, logprob: float) -> dict[str, Any]:
        data = self._token_bytes(token_id)
        text = data.decode("utf-8", "replace")
        return {"token_id": token_id, "token": text, "bytes": list(data), "logprob": logprob}
