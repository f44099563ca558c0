"""What is tried again with Google's services: what passes by itself."""

from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type

RETRIED = (
    exceptions.Aborted,
    exceptions.Cancelled,
    exceptions.DeadlineExceeded,
    exceptions.InternalServerError,
    exceptions.ResourceExhausted,
    exceptions.ServiceUnavailable,
    exceptions.Unknown,
)


def retry_for(seconds: float) -> Retry:
    """Return what tries a call again for so long, with growing pauses."""
    return Retry(if_exception_type(*RETRIED), initial=0.1, maximum=10.0, timeout=seconds)
