"""The bare batching loop of mlx_lm: no server, no text, no pipes. What a server can hope for.

Reads JSON lines `{"prompts": [...], "max_tokens": N}` and answers each with a JSON line
`{"tokens": N, "seconds": S, "first_token_seconds": S}`. Tokenising is not timed.
"""

import json
import sys
import time
from typing import Any

from mlx_lm.generate import BatchGenerator
from mlx_lm.utils import load


def measure(generator: BatchGenerator, prompts: list[list[int]], max_tokens: int) -> dict[str, Any]:
    """Run all prompts to their end in one batch."""
    started = time.perf_counter()
    running = set(generator.insert(prompts, [max_tokens] * len(prompts)))
    first = 0.0
    tokens = 0
    while running:
        _, responses = generator.next()
        if responses and tokens == 0:
            first = time.perf_counter() - started
        tokens += len(responses)
        running -= {response.uid for response in responses if response.finish_reason is not None}
    return {
        "tokens": tokens,
        "seconds": time.perf_counter() - started,
        "first_token_seconds": first,
    }


def main() -> None:
    """Serve commands from stdin until it ends. The model's directory is on the command line."""
    model, tokenizer = load(sys.argv[1])[:2]
    generator = BatchGenerator(model, completion_batch_size=32, prefill_batch_size=8)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        prompts = [
            tokenizer.apply_chat_template([{"role": "user", "content": text}], add_generation_prompt=True)
            for text in command["prompts"]
        ]
        print(json.dumps(measure(generator, prompts, command["max_tokens"])), flush=True)


if __name__ == "__main__":
    main()
