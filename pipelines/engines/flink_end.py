"""The end of a stream on Flink, which keeps the job of a stream that has ended: seen from outside, and made."""

from collections.abc import Sequence
from http.client import HTTPException
from uuid import uuid4

from pipelines.engines.flink_jobs import FlinkJobs
from pipelines.runner_options import value_of
from schemas.errors import LoadError, LoadErrors

CONFIRMED = 2
"""Checkpoints after the end, before the job goes: the first lets readers acknowledge, the next tells that they did."""


class FlinkEnd:
    """Waits for the end of one job.

    Args:
        jobs: Of the cluster.
        name: Of the job.
    """

    def __init__(self, jobs: FlinkJobs, name: str) -> None:
        """Take where to look."""
        self.jobs, self.name = jobs, name
        self._after: int | None = None

    def is_there(self) -> bool:
        """Tell whether the stream has ended, all of it is published and acknowledged, and the job cancelled.

        A JobManager that does not answer, as one that is busy or begins anew, is asked again the next time.

        Raises:
            LoadErrors: the job does not go.
        """
        try:
            return self._look()
        except (OSError, HTTPException):
            return False

    def _look(self) -> bool:
        job = self.jobs.active_named(self.name)
        if job is None or not self.jobs.all_told(job):
            self._after = None  # a job that is restored from a checkpoint tells again
            return False
        made = self.jobs.checkpoints(job)
        if self._after is None:
            self._after = made
        if made < self._after + CONFIRMED:
            return False
        self.jobs.cancel(job)
        return True

    def check(self) -> None:
        """See that the JobManager answers, before anything is submitted.

        Raises:
            LoadErrors: it does not.
        """
        if not self.jobs.answers():
            hint = "name the REST interface of Flink's JobManager, as localhost:8081"
            raise LoadErrors([LoadError("--flink_master", None, f"{self.jobs.rest} does not answer", hint=hint)])

    def cancel(self) -> None:
        """Cancel the job where it runs: Beam's job server may leave it there.

        Raises:
            LoadErrors: it does not go.
        """
        if (job := self.jobs.active_named(self.name)) is not None:
            self.jobs.cancel(job)


def named(options: Sequence[str]) -> tuple[list[str], FlinkEnd | None]:
    """Return options with a name of its own for the job, and what sees its end; None where no JobManager is named."""
    master = value_of("flink_master", options)
    if master is None or master.startswith("["):
        return [*options], None
    given = value_of("job_name", options)
    name = given or f"segone-{uuid4().hex}"
    told = [] if given else [f"--job_name={name}"]
    return [*options, *told], FlinkEnd(FlinkJobs(master.removeprefix("http://").rstrip("/")), name)
