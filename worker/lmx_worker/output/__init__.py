"""Text, reasoning and tool calls read out of the tokens a model emits."""
