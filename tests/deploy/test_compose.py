"""Compose fits its schema, and its services name one another, their ports and topics rightly."""

import re
import subprocess
import sys
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipelines.engines import workers
from pipelines.runner_options import beam_arguments
from schemas.playbook_file import load_playbook
from tests.deploy.files import OURS_OF_BEAM, ROOT, documents, pinned, run_flags, run_of, stages
from transforms.metrics.exporter import PATH
from transforms.metrics.serving import PORT

(COMPOSE,) = documents("deploy/compose.yaml")
SERVICES: dict[str, Any] = COMPOSE["services"]
FLAGS, BEAM = run_of(SERVICES["pipeline"]["command"])
ADDRESS = re.compile(r"(\w+)=(kafka|pubsub)://([^/]+)/([\w-]+)(\?[\w=&.]+)?")


def addresses(flag: str) -> list[tuple[str, str, str, str]]:
    matches = [ADDRESS.fullmatch(text) for text in FLAGS[flag]]
    assert all(matches)
    return [match.groups()[:4] for match in matches if match]


def created() -> str:
    return str(SERVICES["topics"]["command"][0])


def test_it_fits_the_schema_of_compose() -> None:
    module = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    checked = subprocess.run([*module, ROOT / "deploy/compose.yaml"], check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_names_what_there_is(name: str) -> None:
    service = SERVICES[name]
    assert pinned(service["image"])
    assert {*service.get("depends_on", ())} <= {*SERVICES}
    assert service.get("build", {"target": "segone"})["target"] in stages()
    for volume in service.get("volumes", ()):
        source = volume.split(":")[0]
        assert source in COMPOSE["volumes"] or (ROOT / "deploy" / source).is_dir()
    assert {config["source"] for config in service.get("configs", ())} <= {*COMPOSE["configs"]}


def test_flags_of_the_pipeline_are_those_of_run() -> None:
    assert {*FLAGS} <= run_flags()
    assert {*BEAM} <= OURS_OF_BEAM
    beam_arguments("flink", [f"{name}={value}" for name, value in BEAM.items()], stream=True)


def test_the_playbook_is_there_and_reads_what_is_given() -> None:
    book = load_playbook(ROOT / "examples" / "consumer" / "playbook.yaml")
    assert "../examples/consumer:/playbooks:ro" in SERVICES["pipeline"]["volumes"]
    assert {name for name, *_ in addresses("--signals")} == {*book.signals}


@pytest.mark.parametrize("flag", ["--signals", "--publish"])
def test_every_topic_is_made(flag: str) -> None:
    on_kafka, on_pubsub = re.findall(r"for topic in ([\w ]+);", created())
    for _, kind, host, topic in addresses(flag):
        assert topic in (on_kafka if kind == "kafka" else on_pubsub).split()
        assert host == ("kafka:9092" if kind == "kafka" else "local-project")


def test_the_town_is_fed_into_topics_that_are_read() -> None:
    (fed,) = re.findall(r"for topic in ([\w ]+);", SERVICES["feed"]["command"][0])
    assert {*fed.split()} == {topic for _, kind, _, topic in addresses("--signals") if kind == "kafka"}


def test_brokers_are_where_they_are_looked_for() -> None:
    assert SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://kafka:9092"
    assert SERVICES["pipeline"]["environment"]["PUBSUB_EMULATOR_HOST"] == "pubsub:8085"
    assert SERVICES["workers"]["environment"]["PUBSUB_EMULATOR_HOST"] == "pubsub:8085"
    assert "--host-port=0.0.0.0:8085" in SERVICES["pubsub"]["command"]


def test_the_job_server_and_workers_are_where_they_are_looked_for() -> None:
    served = dict(word.partition("=")[::2] for word in SERVICES["flink-jobserver"]["command"])
    assert BEAM["--job_endpoint"] == f"flink-jobserver:{served['--job-port']}"
    assert BEAM["--artifact_endpoint"] == f"flink-jobserver:{served['--artifact-port']}"
    assert served["--flink-master"] == "flink-jobmanager:8081"
    assert SERVICES["workers"]["command"] == [f"--service_port={BEAM['--environment_config'].rpartition(':')[2]}"]
    assert SERVICES["workers"]["network_mode"] == "service:flink-taskmanager"
    assert SERVICES["workers"]["entrypoint"] == ["python", "-m", workers.__name__]


def test_prometheus_reads_what_workers_serve() -> None:
    port = int(SERVICES["workers"]["environment"][PORT])
    ((job,),) = (YAML(typ="safe").load(COMPOSE["configs"]["prometheus"]["content"])["scrape_configs"],)
    assert job.get("metrics_path", "/metrics") == PATH
    assert job["static_configs"][0]["targets"] == [f"flink-taskmanager:{port}", f"flink-taskmanager:{port + 1}"]


@pytest.mark.parametrize("name", sorted(COMPOSE["configs"]))
def test_what_is_within_is_yaml(name: str) -> None:
    assert isinstance(YAML(typ="safe").load(COMPOSE["configs"][name]["content"]), dict)


def test_flink_is_set_as_it_was_tried() -> None:
    properties = YAML(typ="safe").load(SERVICES["flink-taskmanager"]["environment"]["FLINK_PROPERTIES"])
    assert properties["parallelism.default"] == 1
    assert properties["classloader.resolve-order"] == "parent-first"
    assert properties["state.checkpoints.dir"].removeprefix("file://") == "/checkpoints"
