"""The end of a stream on Flink: when its job is cancelled, and when it is not yet."""

from typing import Any

import pytest

from pipelines.engines.flink_end import FlinkEnd, named
from pipelines.engines.flink_jobs import FlinkJobs
from schemas.errors import LoadErrors

MAX = str(2**63 - 1)


class Cluster(FlinkJobs):
    """A cluster that answers from a dictionary, and notes what it is asked to cancel."""

    def __init__(self) -> None:
        """Have one job of two steps that runs, and one of the same name that failed."""
        super().__init__("nowhere:1")
        jobs = [("old", "FAILED", 2), ("new", "RUNNING", 1)]
        told = [{"jid": jid, "state": state, "name": "mine", "start-time": at} for jid, state, at in jobs]
        self.told: dict[str, Any] = {
            "jobs/overview": {"jobs": told},
            "jobs/new": {"vertices": [{"id": "read"}, {"id": "write"}]},
            "jobs/new/checkpoints": {"counts": {"completed": 7}},
        }
        self.cancelled: list[str] = []
        self.marks({"0.read": MAX}, {"0.gather": MAX, "0.write": MAX})

    def marks(self, *steps: dict[str, str]) -> None:
        """Let the operators of the steps have output watermarks."""
        for step, marks in zip(("read", "write"), steps, strict=True):
            metrics = [{"id": f"{name}.currentOutputWatermark", "value": value} for name, value in marks.items()]
            self.told[f"jobs/new/vertices/{step}/metrics"] = [*metrics, {"id": "0.buffers"}]
            names = "%2C".join(f"{name}.currentOutputWatermark" for name in marks)
            self.told[f"jobs/new/vertices/{step}/metrics?get={names}"] = metrics

    def checkpoints_are(self, number: int) -> None:
        """Let so many be complete."""
        self.told["jobs/new/checkpoints"]["counts"]["completed"] = number

    def cancel(self, *jobs: str, seconds: float = 60) -> None:
        """Note it."""
        self.cancelled += jobs

    def _get(self, path: str) -> Any:
        return self.told[path]


def test_a_job_goes_when_all_is_told_and_two_checkpoints_later() -> None:
    cluster = Cluster()
    end = FlinkEnd(cluster, "mine")
    seen = []
    for number in (7, 8, 9):
        cluster.checkpoints_are(number)
        seen.append(end.is_there())
    assert seen == [False, False, True]
    assert cluster.cancelled == ["new"]


@pytest.mark.parametrize(
    "steps",
    [
        ({"0.read": MAX}, {"0.gather": MAX, "0.write": "1772496000001"}),
        ({"0.read": MAX}, {}),
        ({"0.read": "-9223372036854775808"}, {"0.write": MAX}),
    ],
)
def test_a_step_that_has_not_told_its_end_keeps_it(steps: tuple[dict[str, str], ...]) -> None:
    cluster = Cluster()
    cluster.marks(*steps)
    end = FlinkEnd(cluster, "mine")
    for number in (7, 9, 11):
        cluster.checkpoints_are(number)
        assert not end.is_there()
    assert cluster.cancelled == []


def test_a_job_that_is_restored_is_waited_for_anew() -> None:
    cluster = Cluster()
    end = FlinkEnd(cluster, "mine")
    assert not end.is_there()
    cluster.marks({"0.read": "0"}, {"0.write": "0"})
    cluster.checkpoints_are(9)
    assert not end.is_there()
    cluster.marks({"0.read": MAX}, {"0.write": MAX})
    assert not end.is_there()
    cluster.checkpoints_are(11)
    assert end.is_there()


def test_who_does_not_answer_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    end = FlinkEnd(cluster, "mine")
    assert not end.is_there()
    cluster.checkpoints_are(9)
    with monkeypatch.context() as patch:
        patch.setattr(Cluster, "_get", _fails)
        assert not end.is_there()
    assert end.is_there()


def _fails(*_: Any) -> Any:
    raise TimeoutError("timed out")


def test_a_jobmanager_that_is_nowhere_is_told_before_anything_is_submitted() -> None:
    with pytest.raises(LoadErrors, match="localhost:1 does not answer"):
        FlinkEnd(FlinkJobs("localhost:1"), "mine").check()


def test_a_job_of_another_name_is_not_ours() -> None:
    cluster = Cluster()
    end = FlinkEnd(cluster, "other")
    assert not end.is_there()
    end.cancel()
    assert cluster.cancelled == []


def test_who_is_interrupted_cancels_the_job_in_flink() -> None:
    cluster = Cluster()
    FlinkEnd(cluster, "mine").cancel()
    assert cluster.cancelled == ["new"]


def test_a_job_gets_a_name_where_its_end_can_be_seen() -> None:
    assert named(["--runner=X"]) == (["--runner=X"], None)
    assert named(["--flink_master=[auto]"]) == (["--flink_master=[auto]"], None)
    options, end = named(["--flink_master=http://here:8081/"])
    assert end is not None
    assert end.jobs.rest == "here:8081"
    assert options == ["--flink_master=http://here:8081/", f"--job_name={end.name}"]
    options, end = named(["--flink_master=here:8081", "--job_name=mine"])
    assert end is not None
    assert (end.name, len(options)) == ("mine", 2)
