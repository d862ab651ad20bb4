import json
import os
import threading
from collections.abc import Callable

import pytest

from lmx_worker.wire.transport import MAX_LINE_OUT_BYTES, Outbox, encode, read_lines


def reader_of(chunks: list[bytes]) -> Callable[[int], bytes]:
    rest = iter([*chunks, b""])
    return lambda _: next(rest)


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([b"a\nb\n"], [b"a", b"b"]),
        ([b"a", b"b", b"\nc", b"\n"], [b"ab", b"c"]),
        ([b"\n\n"], [b"", b""]),
        ([b"lost"], []),
        ([b"caf\xc3", b"\xa9\n"], ["café".encode()]),
        ([b"12345678\nok\n"], [b"12345678", b"ok"]),
        ([b"123456789\nok\n"], [None, b"ok"]),
        ([b"12345", b"6789", b"0", b"\nok\n"], [None, b"ok"]),
        ([b"123456789" * 5, b"x" * 50, b"\n", b"ok\n"], [None, b"ok"]),
    ],
)
def test_lines_however_they_arrive_and_overlong_ones_as_none(chunks: list[bytes], lines: list) -> None:
    assert list(read_lines(reader_of(chunks), max_bytes=8)) == lines


def test_a_message_is_one_line_whatever_is_in_it() -> None:
    message = {"text": "a\nb\r\u2028\u0000🤔\ud800"}
    line = encode(message)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert json.loads(line)["text"] == "a\nb\r\u2028\u0000🤔?"


def test_messages_come_out_in_order_and_flush_waits_for_them() -> None:
    read_end, write_end = os.pipe()
    outbox = Outbox(write_end, on_broken_pipe=lambda: None)
    threading.Thread(target=outbox.run, daemon=True).start()
    for number in range(100):
        outbox.send({"n": number})
    assert outbox.flush(10)
    lines = os.read(read_end, 65536).splitlines()
    assert [json.loads(line)["n"] for line in lines] == list(range(100))
    os.close(read_end)


def test_a_supervisor_that_does_not_read_stops_the_engine_but_not_the_pings() -> None:
    """Memory stays bounded: `send` waits for room, `send_now` uses the reserve and then gives up."""
    read_end, write_end = os.pipe()
    outbox = Outbox(write_end, on_broken_pipe=lambda: None, max_bytes=1000)
    outbox.send({"text": "x" * 1000})
    blocked = threading.Thread(target=outbox.send, args=({"text": "y"},))
    blocked.start()
    assert outbox.send_now({"ping": 1})
    refused = not all(outbox.send_now({"text": "z" * 100_000}) for _ in range(100))
    assert refused and blocked.is_alive()
    threading.Thread(target=outbox.run, daemon=True).start()
    read_to = threading.Thread(target=_drain, args=(read_end,))
    read_to.start()
    blocked.join(10)
    assert not blocked.is_alive() and outbox.flush(10)
    os.close(write_end)
    read_to.join(10)


def _drain(fd: int) -> None:
    while os.read(fd, 65536):
        pass
    os.close(fd)


def test_a_line_over_the_cap_is_never_sent() -> None:
    outbox = Outbox(1, on_broken_pipe=lambda: None)
    with pytest.raises(ValueError, match="longer than the protocol allows"):
        outbox.send({"text": "x" * MAX_LINE_OUT_BYTES})


def test_a_broken_pipe_is_reported_once() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    broken = threading.Event()
    outbox = Outbox(write_end, on_broken_pipe=broken.set)
    thread = threading.Thread(target=outbox.run, daemon=True)
    thread.start()
    outbox.send({"n": 1})
    assert broken.wait(10)
    thread.join(10)
    os.close(write_end)
