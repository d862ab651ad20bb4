"""One model, one process: the worker side of docs/worker-protocol.md."""
