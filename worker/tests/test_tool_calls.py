"""Ids of tool calls."""

from lmx_worker.output.tool_calls import MAX_ID_CHARACTERS, call_id_unlike


def test_an_id_longer_than_the_protocol_carries_is_replaced() -> None:
    assert call_id_unlike("x" * MAX_ID_CHARACTERS, (), None) == "x" * MAX_ID_CHARACTERS
    assert call_id_unlike("x" * (MAX_ID_CHARACTERS + 1), (), None).startswith("call_")
    assert len(call_id_unlike("x" * (MAX_ID_CHARACTERS + 1), (), 9)) == 9
