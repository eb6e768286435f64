"""Apache Kafka: one KRaft node that is broker and controller, and the topics of the sale."""

import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
)

from deploy.local.process import CannotStart, Process, Unhealthy
from deploy.local.site import ROOT, Site

LIBRARIES = ROOT / "var" / "kafka" / "libs"
LOGGING = ROOT / "deploy" / "kafka" / "log4j2.xml"

# Partitions bound how many consumers can share a topic; dead letters are read by a person.
TOPICS = {"reservations": 8, "order-events": 8, "gateway-events": 4, "reservations.dlq": 1}
# What differs from the broker's own settings. Nobody reads an event of the gateways again after the
# scorer's longest window, and a flood of them is 10 MB a second.
SETTINGS = {
    "gateway-events": {
        "retention.ms": str(10 * 60 * 1000),
        "retention.bytes": str(256 * 1024 * 1024),
        # Only whole segments are dropped.
        "segment.ms": str(60 * 1000),
        "segment.bytes": str(64 * 1024 * 1024),
    }
}

_HEAP_MB = 512

_CONFIG = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=CLIENT://127.0.0.1:{server},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=CLIENT://127.0.0.1:{client}
listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=CLIENT
controller.listener.names=CONTROLLER
log.dirs={data}
# A misspelt topic must be an error, not a new topic with one partition.
auto.create.topics.enable=false
# One broker: the internal topics ask for three replicas unless told.
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# Consumers start one after another here; three seconds of waiting for more would be lost each time.
group.initial.rebalance.delay.ms=0
"""


def prepare(site: Site) -> None:
    """Write the configuration and format the storage once."""
    folder = write_configuration(site)
    if not (folder / "data" / "meta.properties").exists():
        format_storage(folder, new_cluster_id())


def write_configuration(site: Site) -> Path:
    """`server.properties` of a broker alone; gives its folder."""
    if not any(LIBRARIES.glob("kafka_*.jar")):
        raise CannotStart("Kafka's jars are missing in var/kafka/libs: run `make setup`")
    folder = site.folder("kafka")
    (folder / "server.properties").write_text(
        _CONFIG.format(
            client=site.port("kafka"),
            server=site.server_port("kafka"),
            controller=site.port("kafka-controller"),
            data=folder / "data",
        )
    )
    return folder


def new_cluster_id() -> str:
    """Kafka's own form of a UUID, kept from beginning with a dash, as an option would."""
    return "S" + urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]


def format_storage(folder: Path, cluster_id: str) -> None:
    """Make the storage that `server.properties` names, for the cluster. Raises CannotStart."""
    options = ["format", "-t", cluster_id, "-c", str(folder / "server.properties")]
    done = subprocess.run(
        [*_java(), "kafka.tools.StorageTool", *options],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise CannotStart(f"kafka format: {(done.stderr or done.stdout).strip()[-2000:]}")


def command(site: Site) -> list[str]:
    """The broker in the foreground."""
    heap = [f"-Xms{_HEAP_MB}m", f"-Xmx{_HEAP_MB}m", "-XX:+ExitOnOutOfMemoryError"]
    return [*_java(*heap), "kafka.Kafka", str(site.folder("kafka") / "server.properties")]


def alive(site: Site) -> None:
    """A client gets the cluster's metadata."""
    _topics(site)


def create_topics(site: Site) -> None:
    """Create the topics that are not there yet, and wait until the broker has done it."""
    present = _topics(site)
    wanted = [
        NewTopic(name, num_partitions=count, replication_factor=1)
        for name, count in TOPICS.items()
        if name not in present
    ]
    admin = _admin(site)  # its answers are lost when it is collected before them
    for name, future in admin.create_topics(wanted).items() if wanted else ():
        try:
            future.result()
        except KafkaException as error:
            raise CannotStart(f"topic {name}: {error}") from error
    for name in SETTINGS:
        _configure(admin, name)


def _configure(admin: AdminClient, topic: str) -> None:
    """Also a topic of an older stack; may be repeated."""
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in SETTINGS[topic].items()
    ]
    wanted = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
    (future,) = admin.incremental_alter_configs([wanted]).values()
    try:
        future.result()
    except KafkaException as error:
        raise CannotStart(f"topic {topic}: {error}") from error


def healthy(site: Site) -> None:
    """Every topic is there with its partitions."""
    found = _topics(site)
    wrong = [f"{name} ({found.get(name, 0)})" for name in TOPICS if found.get(name) != TOPICS[name]]
    if wrong:
        raise Unhealthy(f"topics with a wrong number of partitions: {', '.join(wrong)}")


def _java(*options: str) -> list[str]:
    """The JVM with the broker on its class path."""
    logging = f"-Dlog4j2.configurationFile={LOGGING}"
    return ["java", *options, logging, "-cp", str(Path(LIBRARIES) / "*")]


def _admin(site: Site) -> AdminClient:
    # log_level 0: librdkafka would print every refused connection while the broker starts.
    return AdminClient({"bootstrap.servers": site.address("kafka"), "log_level": 0})


def _topics(site: Site) -> dict[str, int]:
    """Topic → partitions."""
    try:
        metadata = _admin(site).list_topics(timeout=2)
    except KafkaException as error:
        raise Unhealthy(str(error.args[0])) from error
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


PROCESS = Process(
    name="kafka",
    command=command,
    prepare=prepare,
    alive=alive,
    finish=create_topics,
    healthy=healthy,
    ports=("kafka", "kafka-controller"),
)
