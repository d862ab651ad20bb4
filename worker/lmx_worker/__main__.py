"""`python -m lmx_worker`: makes the protocol's descriptors private, then starts the worker."""

from lmx_worker.pipes import claim_pipes


def main() -> None:
    """Run until shutdown, end of input or a fatal error. Command line arguments only mark the process."""
    commands, replies = claim_pipes()

    from lmx_worker.lifeline import die_with_parent, guard_signals

    die_with_parent()
    guard_signals()

    from lmx_worker.worker import run_worker

    run_worker(commands, replies)


if __name__ == "__main__":
    main()
