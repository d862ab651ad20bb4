"""The embedded default model: a small llama trained by the scripts in this folder."""
