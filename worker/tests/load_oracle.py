"""What mlx_lm itself makes of model directories: the judge of every verdict that is reached without it.

Reads one path per line from standard input and answers each with a line of JSON: whether the model loads and
its chat template renders, and what was raised otherwise. Weights are not evaluated.
"""

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}


def judge(directory: Path) -> dict[str, Any]:
    from mlx_lm.utils import load_model, load_tokenizer

    stage = "model"
    try:
        _, config = load_model(directory, lazy=True, strict=True, trust_remote_code=False)
        stage = "tokenizer"
        tokenizer = load_tokenizer(
            directory, {"trust_remote_code": False}, eos_token_ids=config.get("eos_token_id")
        )
        stage = "template"
        if tokenizer.has_chat_template:
            tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], add_generation_prompt=True)
    except BaseException as error:  # an architecture module may even exit
        return {"works": False, "stage": stage, "error": f"{type(error).__name__}: {error}"[:300]}
    return {"works": True, "stage": None, "error": None}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        # Architectures print.
        with contextlib.redirect_stdout(sys.stderr):
            answer = judge(Path(line.strip()))
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
