"""The job on Kubernetes: names, ports and flags fit together."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from pipelines.engines import workers
from pipelines.logs import AS_JSON
from pipelines.runner_options import beam_arguments
from tests.deploy.files import OURS_OF_BEAM, documents, instructions, run_flags, run_of
from transforms.metrics.serving import PORT
from transforms.shell.pseudonym_key import KEY_VARIABLE

FLINK, SERVICE, LAUNCH = documents("deploy/flink/segone.yaml")
SPEC = FLINK["spec"]
(JOB_SERVER,) = SPEC["jobManager"]["podTemplate"]["spec"]["containers"]
(WORKERS,) = SPEC["taskManager"]["podTemplate"]["spec"]["containers"]
(LAUNCHER,) = LAUNCH["spec"]["template"]["spec"]["containers"]
FLAGS, BEAM = run_of(LAUNCHER["args"])


def environment(container: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container.get("env", ())}


def values(node: Any) -> Iterator[Any]:
    if isinstance(node, dict | list):
        for each in node.values() if isinstance(node, dict) else node:
            yield from values(each)
    else:
        yield node


def test_the_documents() -> None:
    kinds = [(each["apiVersion"], each["kind"]) for each in (FLINK, SERVICE, LAUNCH)]
    assert kinds == [("flink.apache.org/v1beta1", "FlinkDeployment"), ("v1", "Service"), ("batch/v1", "Job")]


def test_flink_is_the_version_of_the_image() -> None:
    images = dict(rest.split("=", 1) for name, rest in instructions() if name == "ARG")
    version = re.search(r"flink:(\d+)\.(\d+)\.(\d+)", images["FLINK_IMAGE"])
    assert version is not None
    major, minor, patch = version.groups()
    assert SPEC["flinkVersion"] == f"v{major}_{minor}"
    main = environment(SPEC["podTemplate"]["spec"]["containers"][0])
    assert main["ENABLE_BUILT_IN_PLUGINS"].endswith(f"-{major}.{minor}.{patch}.jar")


def test_flink_is_set_as_it_was_tried() -> None:
    settings = SPEC["flinkConfiguration"]
    assert settings["parallelism.default"] == "1"
    assert settings["classloader.resolve-order"] == "parent-first"
    assert settings["execution.checkpointing.externalized-checkpoint-retention"] == "RETAIN_ON_CANCELLATION"
    assert all(isinstance(value, str) for value in settings.values())


def test_two_images_of_one_version() -> None:
    images = {value for each in (FLINK, LAUNCH) for value in values(each) if str(value).startswith("REGISTRY/")}
    assert images == {"REGISTRY/segone:VERSION", "REGISTRY/segone-flink:VERSION"}
    assert LAUNCHER["image"] == WORKERS["image"] == "REGISTRY/segone:VERSION"


def test_the_job_server_is_where_it_is_looked_for() -> None:
    served = dict(word.partition("=")[::2] for word in JOB_SERVER["args"])
    ports = {one["name"]: one["containerPort"] for one in JOB_SERVER["ports"]}
    assert {"jobs": int(served["--job-port"]), "artifacts": int(served["--artifact-port"])} == ports
    assert {one["targetPort"]: one["port"] for one in SERVICE["spec"]["ports"]} == ports
    name = SERVICE["metadata"]["name"]
    assert BEAM["--job_endpoint"] == f"{name}:{ports['jobs']}"
    assert BEAM["--artifact_endpoint"] == f"{name}:{ports['artifacts']}"
    assert SERVICE["spec"]["selector"] == {"app": FLINK["metadata"]["name"], "component": "jobmanager"}


def test_workers_are_where_they_are_looked_for() -> None:
    assert WORKERS["args"] == [f"--service_port={BEAM['--environment_config'].removeprefix('localhost:')}"]
    assert WORKERS["command"] == ["python", "-m", workers.__name__]
    assert environment(WORKERS)[AS_JSON] == "1"
    port = environment(WORKERS)[PORT]
    assert [str(one["containerPort"]) for one in WORKERS["ports"]] == [port]
    notes = SPEC["taskManager"]["podTemplate"]["metadata"]["annotations"]
    assert (notes["prometheus.io/port"], notes["prometheus.io/path"]) == (port, "/metrics")


def test_flags_are_those_of_run() -> None:
    assert {*FLAGS} <= run_flags()
    assert {*BEAM} <= OURS_OF_BEAM
    beam_arguments("flink", [f"{name}={value}" for name, value in BEAM.items()], stream=True)


@pytest.mark.parametrize("container", [WORKERS, LAUNCHER], ids=lambda container: container["name"])
def test_who_sees_signals_has_the_key_and_no_rights(container: dict[str, Any]) -> None:
    assert environment(container)[KEY_VARIABLE] == {"secretKeyRef": {"name": "segone", "key": "pseudonym-key"}}
    assert container["securityContext"]["runAsNonRoot"] is True
    assert container["resources"]["limits"]["memory"]


def test_a_job_is_not_submitted_twice() -> None:
    assert LAUNCH["spec"]["backoffLimit"] == 0
    assert LAUNCH["spec"]["template"]["spec"]["restartPolicy"] == "Never"
