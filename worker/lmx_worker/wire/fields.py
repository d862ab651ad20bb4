"""Typed access to an untrusted JSON object; a failure names the path, what was expected and what came."""

import math
from reprlib import Repr
from typing import Any

from lmx_worker.failure import INVALID_PARAMS, RequestFailure

# What came may be megabytes of it; only its beginning and end are looked at.
SHORT = Repr()
SHORT.maxstring = SHORT.maxother = SHORT.maxlong = 100


class Fields:
    """One JSON object being read. `done()` refuses members nobody asked for."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise _expected(path, "an object", value)
        self.value: dict[str, Any] = value
        self._path = path
        self._seen: set[str] = set()

    def has(self, name: str) -> bool:
        """Whether the member is there and not null."""
        self._seen.add(name)
        return self.value.get(name) is not None

    def text(self, name: str) -> str:
        """A string that can be encoded as UTF-8 (a lone surrogate cannot)."""
        return self._text(name, self._take(name))

    def optional_text(self, name: str) -> str | None:
        """A string, or None for null or absent."""
        return self.text(name) if self.has(name) else None

    def integer(self, name: str, *, minimum: int | None = None, maximum: int | None = None) -> int:
        """A whole number within the bounds; true and 1.0 are not whole numbers."""
        value = self._take(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.expected(name, "an integer", value)
        if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
            raise self.expected(name, _range("an integer", minimum, maximum), value)
        return value

    def optional_integer(
        self, name: str, *, minimum: int | None = None, maximum: int | None = None
    ) -> int | None:
        """An integer, or None for null or absent."""
        return self.integer(name, minimum=minimum, maximum=maximum) if self.has(name) else None

    def flag(self, name: str) -> bool:
        """A boolean; null or absent is false."""
        if not self.has(name):
            return False
        value = self._take(name)
        if not isinstance(value, bool):
            raise self.expected(name, "true or false", value)
        return value

    def number(self, name: str, *, minimum: float, maximum: float) -> float:
        """A finite number within the bounds."""
        value = self._take(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.expected(name, "a number", value)
        if not minimum <= value <= maximum or not math.isfinite(value):
            raise self.expected(name, _range("a number", minimum, maximum), value)
        return float(value)

    def integers(self, name: str) -> tuple[int, ...]:
        """A list of integers."""
        values = self._list(name)
        for index, value in enumerate(values):
            if isinstance(value, bool) or not isinstance(value, int):
                raise self.expected(f"{name}.{index}", "an integer", value)
        return tuple(values)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        return tuple(self._text(f"{name}.{index}", value) for index, value in enumerate(self._list(name)))

    def object(self, name: str) -> "Fields":
        """A nested object."""
        return Fields(self._take(name), f"{self._path}.{name}")

    def objects(self, name: str, *, minimum: int = 0, maximum: int | None = None) -> "list[Fields]":
        """A list of objects; how many is checked before any of them is looked at."""
        values = self._list(name)
        if len(values) < minimum:
            raise self.expected(name, f"at least {minimum} entries", values)
        if maximum is not None and len(values) > maximum:
            raise self.expected(name, f"at most {maximum} entries", len(values))
        return [Fields(value, f"{self._path}.{name}.{index}") for index, value in enumerate(values)]

    def mapping(self, name: str) -> dict[str, Any]:
        """A nested object whose members are not looked at."""
        return dict(self.object(name).value)

    def done(self) -> None:
        """Refuse members that were never read."""
        unknown = sorted(set(self.value) - self._seen)
        if unknown:
            raise RequestFailure(
                "unsupported_parameter",
                f"Unknown member {self._path}.{unknown[0][:100]}.",
                number=INVALID_PARAMS,
                param=f"{self._path}.{unknown[0][:100]}",
            )

    def expected(self, name: str, what: str, got: Any) -> RequestFailure:
        """The failure to raise when a member is not what it should be."""
        return _expected(f"{self._path}.{name}", what, got)

    def _text(self, name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise self.expected(name, "a string", value)
        try:
            value.encode()
        except UnicodeEncodeError:
            raise self.expected(name, "valid Unicode text", "a lone surrogate") from None
        return value

    def _take(self, name: str) -> Any:
        self._seen.add(name)
        if name not in self.value:
            raise self.expected(name, "a value", "nothing")
        return self.value[name]

    def _list(self, name: str) -> list[Any]:
        value = self._take(name)
        if not isinstance(value, list):
            raise self.expected(name, "a list", value)
        return value


def _range(what: str, minimum: float | None, maximum: float | None) -> str:
    bounds = ([f">= {minimum}"] if minimum is not None else []) + (
        [f"<= {maximum}"] if maximum is not None else []
    )
    return f"{what} {' and '.join(bounds)}"


def _expected(path: str, what: str, got: Any) -> RequestFailure:
    try:
        shown = SHORT.repr(got)[:100]
    except ValueError:
        shown = type(got).__name__
    return RequestFailure(
        "invalid_request_error", f"Expected {what} at {path}, got {shown}.", number=INVALID_PARAMS, param=path
    )
