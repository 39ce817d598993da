from pathlib import Path

import pytest

from amqpd.config.configuration import named_file, read_configuration
from amqpd.config.kinds import Listeners
from amqpd.config.mistakes import InvalidConfiguration, Notice
from amqpd.config.settings import Settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rabbitmq.conf"


def settings(
    file: Path | None = None,
    environment: dict[str, str] | None = None,
    command_line: dict[str, object] | None = None,
) -> Settings:
    return read_configuration(file, environment or {}, command_line or {}).settings


def test_without_anything_the_defaults_are_used():
    assert settings() == Settings()


def test_each_layer_beats_the_ones_before(file: Path):
    file.write_text("heartbeat = 1\nchannel_max = 1\nlog.console.level = debug\ncluster_name = file\n")
    (file.parent / "conf.d").mkdir()
    (file.parent / "conf.d" / "a.conf").write_text("heartbeat = 2\nchannel_max = 2\nmax_message_size = 2\n")
    environment = {
        "RABBITMQ_NODENAME": "x@y",
        "RABBITMQ_LOG": "error",
        "AMQPD_HEARTBEAT_S": "3",
        "AMQPD_LOG_LEVEL": "warning",
        "AMQPD_MAX_MESSAGE_SIZE_BYTES": "3",
    }
    found = settings(file, environment, {"max_message_size_bytes": 4})
    assert found == Settings(
        channel_max=2,
        heartbeat_s=3,
        log_level="warning",
        max_message_size_bytes=4,
        cluster_name="file",
        log_file_level="error",
    )
    assert settings(file, {"RABBITMQ_LOG": "error"}).log_level == "error"


@pytest.mark.parametrize(
    ("option", "environment", "expected"),
    [
        ("a", {"AMQPD_CONFIG": "b", "RABBITMQ_CONFIG_FILE": "c"}, Path("a")),
        (None, {"AMQPD_CONFIG": "b", "RABBITMQ_CONFIG_FILE": "c"}, Path("b")),
        (None, {"RABBITMQ_CONFIG_FILE": "c"}, Path("c")),
        (None, {"AMQPD_CONFIG": ""}, None),
        (None, {}, None),
    ],
)
def test_the_file_is_named_by_option_or_environment(
    option: str | None, environment: dict[str, str], expected: Path | None
):
    assert named_file(option, environment) == expected


def test_the_files_are_told(file: Path):
    file.write_text("")
    (file.parent / "conf.d").mkdir()
    more = file.parent / "conf.d" / "a.conf"
    more.write_text("")
    assert read_configuration(file, {}, {}).files == (file, more)


def test_rabbitmq_config_files_says_where_the_others_are(file: Path):
    file.write_text("")
    more = file.parent / "more.conf"
    more.write_text("heartbeat = 7")
    assert settings(file, {"RABBITMQ_CONFIG_FILES": str(more)}).heartbeat_s == 7


def test_a_port_of_a_later_layer_moves_all_listeners(file: Path):
    file.write_text("listeners.tcp.a = 127.0.0.2:5672\nlisteners.tcp.b = 127.0.0.3:5672\n")
    found = settings(file, {"AMQPD_PORT": "7"})
    assert (found.host, found.port) == (("127.0.0.2", "127.0.0.3"), 7)


def test_a_port_of_a_later_layer_replaces_listeners_of_different_ports(file: Path):
    file.write_text("listeners.tcp.a = 127.0.0.2:5672\nlisteners.tcp.b = 127.0.0.3:5673\n")
    assert settings(file).listeners == Listeners((("127.0.0.2", 5672), ("127.0.0.3", 5673)))
    assert settings(file, {}, {"port": 7}) == Settings(port=7)


def test_listeners_in_the_file_beat_the_port_of_the_node(file: Path):
    file.write_text("listeners.tcp.a = 127.0.0.1:5673\n")
    found = settings(file, {"RABBITMQ_NODE_PORT": "5674"})
    assert (found.host, found.port) == (("127.0.0.1",), 5673)


def test_listeners_of_different_ports_in_the_file_beat_the_port_of_the_node(file: Path):
    file.write_text("listeners.tcp.a = 127.0.0.1:1\nlisteners.tcp.b = 127.0.0.1:2\n")
    found = settings(file, {"RABBITMQ_NODE_PORT": "5674"})
    assert found.listeners == Listeners((("127.0.0.1", 1), ("127.0.0.1", 2)))


def test_a_directory_of_a_later_layer_is_written_to(file: Path):
    file.write_text("amqpd.in_memory = true\n")
    assert settings(file).in_memory
    assert not settings(file, {"AMQPD_DATA_DIR": "/d"}).in_memory


def test_what_has_no_effect_is_told_once_for_each_reason(file: Path):
    file.write_text(
        "cluster_formation.dns.hostname = a\ncluster_keepalive_interval = 1\nnum_acceptors.tcp = 10\n"
    )
    (file.parent / "advanced.config").write_text("[].")
    found = read_configuration(file, {"RABBITMQ_ERLANG_COOKIE": "x"}, {})
    assert found.notices == (
        Notice(
            "warning",
            "configuration keys without effect",
            "no cluster",
            ("cluster_formation.dns.hostname", "cluster_keepalive_interval"),
        ),
        Notice(
            "info",
            "configuration keys without effect",
            "nothing to set: these are about the inside of RabbitMQ",
            ("num_acceptors.tcp",),
        ),
        Notice(
            "warning",
            "configuration files without effect",
            "only the format of rabbitmq.conf is read",
            (str(file.parent / "advanced.config"),),
        ),
        Notice(
            "warning",
            "environment variables without effect",
            "amqpd has nothing like it",
            ("RABBITMQ_ERLANG_COOKIE",),
        ),
    )


@pytest.mark.parametrize(
    ("environment", "mistake"),
    [
        ({"AMQPD_PORT": "x"}, "AMQPD_PORT: 'x' is not a whole number"),
        ({"RABBITMQ_NODE_PORT": "x"}, "RABBITMQ_NODE_PORT: 'x' is not a whole number"),
    ],
)
def test_a_bad_variable_is_a_mistake(environment: dict[str, str], mistake: str):
    with pytest.raises(InvalidConfiguration) as refused:
        settings(None, environment)
    assert refused.value.mistakes == [mistake]


def test_a_bad_file_is_all_its_mistakes(file: Path):
    file.write_text("heartbeat = x\nheartbeet = 1\n")
    with pytest.raises(InvalidConfiguration) as refused:
        settings(file)
    assert refused.value.mistakes == [
        f"{file}:1: heartbeat: 'x' is not a whole number",
        f"{file}:2: heartbeet: there is no such key; did you mean heartbeat?",
    ]


def test_everything_listens_on_the_default_host_unless_it_has_one_of_its_own(file: Path):
    file.write_text("management.tcp.ip = 127.0.0.2\n")
    found = settings(file, {"AMQPD_DEFAULT_HOST": "0.0.0.0,::"})
    everywhere = ("0.0.0.0", "::")
    assert (found.host, found.management_host, found.prometheus_host) == (
        everywhere,
        ("127.0.0.2",),
        everywhere,
    )


def test_without_a_default_host_everything_listens_on_this_machine_alone(file: Path):
    file.write_text("")
    found = settings(file, {})
    assert {found.host, found.management_host, found.prometheus_host} == {("127.0.0.1", "::1")}
