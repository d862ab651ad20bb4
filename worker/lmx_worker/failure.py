"""The one exception that becomes a JSON-RPC error, and which exceptions mean the engine is lost."""

from typing import Any

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
FAILED = -32000

# Texts of errors after which neither the device nor the allocator can be trusted; first match wins.
FATAL_PATTERNS: tuple[tuple[str, str], ...] = (
    ("kIOGPUCommandBufferCallbackErrorOutOfMemory", "gpu_oom"),
    ("Insufficient Memory (00000008", "gpu_oom"),
    ("kIOGPUCommandBufferCallbackErrorTimeout", "gpu_timeout"),
    ("Caused GPU Timeout Error (00000002", "gpu_timeout"),
    ("kIOGPUCommandBufferCallbackErrorImpactingInteractivity", "gpu_preempted"),
    ("kIOGPUCommandBufferCallbackErrorHang", "gpu_fault"),
    ("kIOGPUCommandBufferCallbackErrorPageFault", "gpu_fault"),
    ("kIOGPUCommandBufferCallbackErrorInnocentVictim", "gpu_collateral"),
    ("kIOGPUCommandBufferCallbackErrorSubmissionsIgnored", "gpu_collateral"),
    ("[METAL] Command buffer execution failed", "gpu_error"),
    ("[metal::malloc] Resource limit", "gpu_objects"),
    ("[metal::malloc] Attempting to allocate", "alloc_too_big"),
    ("[malloc", "host_oom"),
    ("[metal::malloc", "gpu_oom"),
    ("std::bad_alloc", "host_oom"),
)


# What the protocol carries of the words of an error, and of each fact beside it. Characters.
MAX_MESSAGE_CHARACTERS = 1_000
MAX_DETAIL_CHARACTERS = 250


def shortened(text: str, limit: int = MAX_MESSAGE_CHARACTERS) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= limit else text[:limit] + "…"


class RequestFailure(Exception):
    """A request that cannot be done.

    `word` is a code of shared/errors.ts; `data` adds facts such as error_type, detail or param.
    """

    def __init__(self, word: str, message: str, *, number: int = FAILED, **data: Any) -> None:
        super().__init__(message)
        self.word = word
        self.message = message
        self.number = number
        self.data = data

    def as_error(self) -> dict[str, Any]:
        """The `error` member of a JSON-RPC answer."""
        facts = {
            name: shortened(value, MAX_DETAIL_CHARACTERS) if isinstance(value, str) else value
            for name, value in self.data.items()
        }
        data = {"code": self.word, **facts}
        return {"code": self.number, "message": shortened(self.message), "data": data}


class StopRequested(BaseException):
    """Raised inside a load that should end because the process was told to stop."""


def fatal_cause(error: BaseException) -> str | None:
    """Name of the cause when the process must end after this error, else None."""
    if isinstance(error, MemoryError):
        return "host_oom"
    text = str(error)
    return next((cause for pattern, cause in FATAL_PATTERNS if pattern in text), None)


def first_line(error: BaseException, limit: int = 400) -> str:
    """The error's first line, never empty, at most `limit` characters."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:limit]
