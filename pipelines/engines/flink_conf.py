"""The settings of a Flink cluster on this machine, and how its processes are started."""

from dataclasses import dataclass
from pathlib import Path

from pipelines.engines.places import java

_OPENED = (
    "lang",
    "lang.reflect",
    "io",
    "net",
    "nio",
    "text",
    "time",
    "util",
    "util.concurrent",
    "util.concurrent.atomic",
)
_OPENS = [
    *(f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in (*_OPENED, "util.concurrent.locks")),
    "--add-exports=java.base/sun.net.util=ALL-UNNAMED",
    "--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED",
    "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
]
"""What Flink and its serializers reach of Java from 17 on."""

_CONF = """\
jobmanager.rpc.address: localhost
jobmanager.rpc.port: {rpc}
rest.address: localhost
rest.port: {rest}
rest.bind-port: {rest}
jobmanager.memory.process.size: 1024m
taskmanager.numberOfTaskSlots: {slots}
parallelism.default: 1
state.backend.type: hashmap
state.checkpoints.dir: {checkpoints}
state.checkpoints.num-retained: 3
execution.checkpointing.externalized-checkpoint-retention: RETAIN_ON_CANCELLATION
restart-strategy: fixed-delay
restart-strategy.fixed-delay.attempts: 100
restart-strategy.fixed-delay.delay: 2 s
heartbeat.timeout: 20000
classloader.resolve-order: parent-first
akka.framesize: 104857600b
"""


@dataclass(frozen=True)
class Ports:
    """Where the processes of a cluster listen.

    Attributes:
        rest: The JobManager, for us and the job server.
        rpc: The JobManager, for TaskManagers.
        jobs: The job server, for Beam; `artifacts` and `expansion` are the other two of it.
        artifacts: See there.
        expansion: See there.
    """

    rest: int
    rpc: int
    jobs: int
    artifacts: int
    expansion: int


def write_conf(folder: Path, ports: Ports, *, slots: int) -> None:
    """Write `flink-conf.yaml` into a folder; checkpoints go beside it."""
    text = _CONF.format(
        rpc=ports.rpc, rest=ports.rest, slots=slots, checkpoints=(folder.parent / "checkpoints").absolute().as_uri()
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "flink-conf.yaml").write_text(text, "utf-8")


def job_manager(jars: str, conf: Path) -> list[str]:
    """Return the command of the JobManager of a session cluster."""
    return [*_java(jars, 700), "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint", *_at(conf)]


def task_manager(jars: str, conf: Path, *, heap: int, cores: int) -> list[str]:
    """Return the command of a TaskManager with a heap for state, in megabytes."""
    memory = {
        "task.heap.size": heap,
        "task.off-heap.size": 0,
        "framework.heap.size": 128,
        "framework.off-heap.size": 64,
        "network.min": 256,
        "network.max": 256,
        "managed.size": 256,
        "jvm-metaspace.size": 256,
        "jvm-overhead.min": 192,
        "jvm-overhead.max": 192,
    }
    sizes = [part for name, size in memory.items() for part in ("-D", f"taskmanager.memory.{name}={size}m")]
    program = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
    return [*_java(jars, heap + 768), program, *_at(conf), "-D", f"taskmanager.cpu.cores={cores}", *sizes]


def job_server(jars: str, conf: Path, ports: Ports) -> list[str]:
    """Return the command of Beam's job server before a session cluster."""
    return [
        *_java(jars, 700),
        "org.apache.beam.runners.flink.FlinkJobServerDriver",
        f"--job-port={ports.jobs}",
        f"--artifact-port={ports.artifacts}",
        f"--expansion-port={ports.expansion}",
        f"--flink-master=localhost:{ports.rest}",
        f"--flink-conf-dir={conf}",
    ]


def _java(jars: str, megabytes: int) -> list[str]:
    return [java(), f"-Xmx{megabytes}m", *_OPENS, "-cp", jars]


def _at(conf: Path) -> list[str]:
    return ["--configDir", str(conf)]
