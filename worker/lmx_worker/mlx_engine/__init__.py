"""The engine on Apple's MLX. Nothing outside this package imports mlx, mlx_lm or transformers."""

from lmx_worker.mlx_engine.adapter import MlxEngine

__all__ = ["MlxEngine"]
