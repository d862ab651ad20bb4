"""The preparation thread: renders and tokenises prompts so that a long one never holds up a decoding step."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from lmx_worker.engine.interface import EncodedPrompt, TextCodec
from lmx_worker.failure import RequestFailure, first_line
from lmx_worker.scheduling.turn_queue import TurnQueue
from lmx_worker.wire.commands import Prompt


@dataclass(frozen=True)
class Prepared:
    """Answer of the preparation thread: ids, or why there are none. `request` says whose."""

    request: int
    outcome: EncodedPrompt | RequestFailure


class Preparation:
    """Owns the thread, which calls `deliver`, `is_open` and `announce`, the last with the request it begins.
    Tickets not open any more are skipped.

    Owners take turns: however much one of them asks for, another waits for one prompt of its at most.
    """

    def __init__(
        self,
        codec: TextCodec,
        deliver: Callable[[Prepared], None],
        is_open: Callable[[int], bool],
        announce: Callable[[int], None],
    ) -> None:
        self._codec = codec
        self._deliver = deliver
        self._is_open = is_open
        self._announce = announce
        self._jobs: TurnQueue[tuple[int, Prompt]] = TurnQueue()
        threading.Thread(target=self._run, name="prepare", daemon=True).start()

    def submit(self, request: int, owner: str, prompt: Prompt) -> None:
        """Queue a prompt; its answer arrives through `deliver`."""
        self._jobs.put(owner, (request, prompt))

    def _run(self) -> None:
        while True:
            request, prompt = self._jobs.take()
            if self._is_open(request):
                self._announce(request)
                self._deliver(Prepared(request, self._encode(prompt)))

    def _encode(self, prompt: Prompt) -> EncodedPrompt | RequestFailure:
        try:
            return self._codec.encode(prompt)
        except RequestFailure as failure:
            return failure
        except BaseException as error:  # the thread must survive: without it no request is ever answered
            return RequestFailure(
                "internal_error",
                f"Preparing the prompt failed: {first_line(error)}",
                error_type=type(error).__name__,
            )
