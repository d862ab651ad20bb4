"""The interface the scheduler drives, whatever runs behind it, and how much its caches may take."""
