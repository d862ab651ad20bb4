"""Counters written by the main thread and read by the reader thread for pings."""

import os
from dataclasses import dataclass
from typing import Any


@dataclass
class Status:
    """Plain integers: reading one while another thread writes it is safe."""

    steps: int = 0
    prepared: int = 0
    in_flight: int = 0
    generated_tokens: int = 0
    stop_requested: bool = False

    def ping(self) -> dict[str, Any]:
        """The answer to a ping: `steps` frozen with work in flight means stuck.

        A prepared prompt counts as one: while prompts are tokenised the engine may have nothing to do.
        """
        return {"pid": os.getpid(), "steps": self.steps + self.prepared, "in_flight": self.in_flight}
