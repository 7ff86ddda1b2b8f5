"""When to stop sending: so many reads in a row without an answer mean that Codat is down, not one merchant.

sent ─▶ answered (any answer of the API, a 404 too) ─────────────────────▶ both counts begin anew
    └─▶ 408, 5xx, no answer, not the API's ─▶ retried, up to 5 attempts ─▶ unanswered: one more
             20 such attempts in a row: no read is retried any more        20 such reads: ApiNotAnswering
"""

from __future__ import annotations

from controller.model.errors import (
    ApiNotAnswering,
    DataNotReady,
    NotFound,
    PermanentError,
    Rejected,
    RemoteError,
    TransientError,
    Unauthorized,
)

MAX_UNANSWERED_READS = 20

_ANSWERS = (NotFound, DataNotReady, Rejected, Unauthorized)


class CircuitBreaker:
    """Counts what went unanswered since the last answer. Once it is open, a single answer closes it."""

    def __init__(self) -> None:
        self._unanswered_attempts = 0
        self._unanswered_reads = 0

    def record_answer(self) -> None:
        """The API answered: close the breaker."""
        self._unanswered_attempts = self._unanswered_reads = 0

    def record_failed_attempt(self, problem: RemoteError) -> None:
        """An attempt failed with this error."""
        # Neither: a 429 or a lost write (RateLimited, OutcomeUnknown) says nothing of whether reads are answered.
        if _is_no_answer(problem):
            self._unanswered_attempts += 1
        elif isinstance(problem, _ANSWERS):
            self.record_answer()

    @property
    def may_retry(self) -> bool:
        """Whether to retry a read. While nothing is answered, one attempt of each read is enough."""
        return self._unanswered_attempts < MAX_UNANSWERED_READS

    def record_given_up_read_or_raise(self, problem: RemoteError) -> None:
        """A read is not retried any more. ApiNotAnswering where that was one too many."""
        if not _is_no_answer(problem):
            return
        self._unanswered_reads += 1
        if self._unanswered_reads >= MAX_UNANSWERED_READS:
            raise ApiNotAnswering(
                f"{MAX_UNANSWERED_READS} reads in a row were not answered, so nothing more is asked. "
                f"The last one: {problem}. "
                "Run it again once Codat answers: merchantctl doctor"
            )


def _is_no_answer(problem: RemoteError) -> bool:
    """Whether Codat itself did not answer: not reached, broken, in maintenance, or a gateway answered in its place."""
    if isinstance(problem, Rejected) and not problem.messages:  # a gateway's
        return True
    # Exactly these classes: each subclass of theirs stands for an answer in Codat's own terms.
    return type(problem) in (TransientError, PermanentError)
