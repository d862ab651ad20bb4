"""The engine on Apple's MLX. Nothing else in the worker imports mlx or mlx_lm."""

from lmx_worker.mlx_engine.adapter import MlxEngine

__all__ = ["MlxEngine"]
