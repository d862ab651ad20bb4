"""Reduced real models: every architecture of the installed mlx_lm, small enough to build in milliseconds."""
