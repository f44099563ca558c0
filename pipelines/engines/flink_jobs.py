"""The jobs of a Flink cluster, asked for and cancelled through its REST interface."""

import json
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from schemas.errors import LoadError, LoadErrors

OVER = {"FINISHED", "CANCELED", "FAILED"}
"""The states of a job that ended."""

_PATIENCE = 30.0
"""Seconds for an answer."""

_END_OF_TIME = (2**63 - 1) // 1000
"""The greatest watermark of Beam, milliseconds; that of Flink is greater."""


class FlinkJobs:
    """What runs on a cluster.

    Args:
        rest: Where the JobManager answers: `localhost:8081`.
    """

    def __init__(self, rest: str) -> None:
        """Keep the address."""
        self.rest = rest

    def answers(self) -> bool:
        """Tell whether the JobManager is there."""
        try:
            self._get("overview")
        except OSError:
            return False
        return True

    def task_slots(self) -> int:
        """Return how many tasks the TaskManagers that are there take."""
        return int(self._get("overview")["slots-total"])

    def states(self) -> dict[str, str]:
        """Return the state of each job, as RUNNING, RESTARTING or one of `OVER`, by its id."""
        return {job["jid"]: job["state"] for job in sorted(self._get("jobs/overview")["jobs"], key=_started)}

    def active(self) -> list[str]:
        """Return the ids of jobs that have not ended, the oldest first."""
        return [job for job, state in self.states().items() if state not in OVER]

    def active_named(self, name: str) -> str | None:
        """Return the id of the newest job of a name that has not ended; None without one."""
        jobs = [job for job in self._get("jobs/overview")["jobs"] if job["name"] == name and job["state"] not in OVER]
        return str(max(jobs, key=_started)["jid"]) if jobs else None

    def all_told(self, job: str) -> bool:
        """Tell whether each step of a job has told those behind it that nothing more will come: the end of time."""
        steps = [f"jobs/{job}/vertices/{step['id']}/metrics" for step in self._get(f"jobs/{job}")["vertices"]]
        return bool(steps) and all(map(self._has_told, steps))

    def _has_told(self, metrics: str) -> bool:
        names = [each["id"] for each in self._get(metrics) if each["id"].endswith(".currentOutputWatermark")]
        told = self._get(f"{metrics}?{urlencode({'get': ','.join(names)})}") if names else []
        return bool(told) and all(int(each["value"]) >= _END_OF_TIME for each in told)

    def checkpoints(self, job: str) -> int:
        """Return how many checkpoints of a job are complete."""
        return int(self._get(f"jobs/{job}/checkpoints")["counts"]["completed"])

    def cancel(self, *jobs: str, seconds: float = 60) -> None:
        """Cancel jobs, all that are active if none is named, and wait until they are gone.

        Raises:
            LoadErrors: one is still there in the end.
        """
        named, deadline = jobs or tuple(self.active()), monotonic() + seconds
        for job in named:
            urlopen(Request(f"http://{self.rest}/jobs/{job}?mode=cancel", method="PATCH"), timeout=_PATIENCE).close()
        while left := sorted({*named} & {*self.active()}):
            if monotonic() > deadline:
                hint = f"see http://{self.rest}, and end the TaskManager if it hangs"
                raise LoadErrors([LoadError(f"job {left[0]}", None, f"runs on after {seconds:.0f} s", hint=hint)])
            sleep(0.2)

    def newest_checkpoint(self, job: str) -> str | None:
        """Return where the last complete checkpoint of a job is, for `--savepoint_path`; None before the first."""
        latest = self._get(f"jobs/{job}/checkpoints")["latest"]
        found = [each for each in (latest["completed"], latest["savepoint"]) if each]
        return str(max(found, key=_triggered)["external_path"]) if found else None

    def checkpoint_bytes(self, job: str) -> int | None:
        """Return how much state the last complete checkpoint of a job holds; None before the first."""
        completed = self._get(f"jobs/{job}/checkpoints")["latest"]["completed"]
        return None if completed is None else int(completed["state_size"])

    def savepoint(self, job: str, folder: Path, seconds: float = 60) -> str:
        """Stop a job with a savepoint in a folder and return where it is.

        Raises:
            LoadErrors: it failed, or is not there in time.
        """
        body = json.dumps({"cancel-job": True, "target-directory": folder.absolute().as_uri()}).encode()
        request = Request(f"http://{self.rest}/jobs/{job}/savepoints", body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=_PATIENCE) as answer:
            trigger, deadline = json.load(answer)["request-id"], monotonic() + seconds
        while True:
            told = self._get(f"jobs/{job}/savepoints/{trigger}")
            operation = told.get("operation") or {}
            if "location" in operation:
                return str(operation["location"])
            if "failure-cause" in operation or monotonic() > deadline:
                why = operation.get("failure-cause", {}).get("class", f"it is not there after {seconds:.0f} s")
                hint = f"see http://{self.rest}/#/job/{job}/checkpoints"
                raise LoadErrors([LoadError(f"job {job}", None, f"no savepoint: {why}", hint=hint)])
            sleep(0.2)

    def _get(self, path: str) -> Any:
        with urlopen(f"http://{self.rest}/{path}", timeout=_PATIENCE) as answer:
            return json.load(answer)


def _started(job: dict[str, Any]) -> int:
    return int(job["start-time"])


def _triggered(checkpoint: dict[str, Any]) -> int:
    return int(checkpoint["trigger_timestamp"])
