"""What a request failure says on the wire."""

from lmx_worker.failure import MAX_DETAIL_CHARACTERS, MAX_MESSAGE_CHARACTERS, RequestFailure


def test_the_words_of_an_error_are_cut_and_its_numbers_stay() -> None:
    failure = RequestFailure("internal_error", "x" * 5_000, detail="y" * 5_000, needed_bytes=7)
    error = failure.as_error()
    assert error["message"] == "x" * MAX_MESSAGE_CHARACTERS + "…"
    assert error["data"] == {
        "code": "internal_error",
        "detail": "y" * MAX_DETAIL_CHARACTERS + "…",
        "needed_bytes": 7,
    }


def test_a_short_error_is_told_whole() -> None:
    assert RequestFailure("internal_error", "no").as_error()["message"] == "no"
