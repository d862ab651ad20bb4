"""The worker protocol as JSON lines: reading commands, checking fields, writing answers."""
