"""Builds the model every benchmark runs on: a llama of about 5 million parameters that never ends its answer.

`PYTHONPATH=worker python test/bench/python/build_model.py DIRECTORY`
"""

import sys
from pathlib import Path

from tests import tiny_models

SHAPE = {
    **tiny_models.ARCHITECTURES["llama"],
    "hidden_size": 384,
    "head_dim": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "intermediate_size": 1024,
    "max_position_embeddings": 16384,
}


def main() -> None:
    """Write model and tokenizer to the directory named on the command line."""
    tiny_models.ARCHITECTURES["bench"] = SHAPE
    tiny_models.build_model(Path(sys.argv[1]), "bench", seed=7, endless=True)


if __name__ == "__main__":
    main()
