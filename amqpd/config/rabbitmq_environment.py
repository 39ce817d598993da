"""RABBITMQ_ environment variables: those that RabbitMQ and its container image have."""

from collections.abc import Mapping

from amqpd.config.kinds import EVERYWHERE, ByCategory
from amqpd.config.machine import host_name
from amqpd.config.mistakes import InvalidConfiguration
from amqpd.config.settings import read_setting
from amqpd.logs.levels import CATEGORIES, LEVELS

CONFIG_FILE = "RABBITMQ_CONFIG_FILE"
CONFIG_FILES = "RABBITMQ_CONFIG_FILES"
NODE_PORT = "RABBITMQ_NODE_PORT"
NODE_IP_ADDRESS = "RABBITMQ_NODE_IP_ADDRESS"
NODENAME = "RABBITMQ_NODENAME"
LOG = "RABBITMQ_LOG"
LOGS = "RABBITMQ_LOGS"
LOG_BASE = "RABBITMQ_LOG_BASE"

CONSOLES = {"-": "stdout", "-stderr": "stderr"}

BELOW_FILES = {"RABBITMQ_PRODUCT_NAME": "product", "RABBITMQ_PRODUCT_VERSION": "product_version"}
ABOVE_FILES = {
    "RABBITMQ_DEFAULT_USER": "default_user",
    "RABBITMQ_DEFAULT_PASS": "default_pass",
    "RABBITMQ_DEFAULT_VHOST": "default_vhost",
    "RABBITMQ_PID_FILE": "pid_file",
    LOG_BASE: "log_dir",
}

REFUSED_BY_CONTAINER = (
    "RABBITMQ_DEFAULT_PASS_FILE",
    "RABBITMQ_DEFAULT_USER_FILE",
    "RABBITMQ_MANAGEMENT_SSL_CACERTFILE",
    "RABBITMQ_MANAGEMENT_SSL_CERTFILE",
    "RABBITMQ_MANAGEMENT_SSL_DEPTH",
    "RABBITMQ_MANAGEMENT_SSL_FAIL_IF_NO_PEER_CERT",
    "RABBITMQ_MANAGEMENT_SSL_KEYFILE",
    "RABBITMQ_MANAGEMENT_SSL_VERIFY",
    "RABBITMQ_SSL_CACERTFILE",
    "RABBITMQ_SSL_CERTFILE",
    "RABBITMQ_SSL_DEPTH",
    "RABBITMQ_SSL_FAIL_IF_NO_PEER_CERT",
    "RABBITMQ_SSL_KEYFILE",
    "RABBITMQ_SSL_VERIFY",
    "RABBITMQ_VM_MEMORY_HIGH_WATERMARK",
)
"""With one of these, RabbitMQ's container image does not start."""
REFUSAL = (
    "deprecated environment variables detected",
    "Please use a configuration file instead; visit https://www.rabbitmq.com/configure.html to learn more",
)

WITHOUT_EFFECT = (
    "RABBITMQ_ADVANCED_CONFIG_FILE",
    "RABBITMQ_CONF_ENV_FILE",
    "RABBITMQ_CTL_ERL_ARGS",
    "RABBITMQ_DIST_PORT",
    "RABBITMQ_ERLANG_COOKIE",
    "RABBITMQ_FEATURE_FLAGS",
    "RABBITMQ_FEATURE_FLAGS_FILE",
    "RABBITMQ_IO_THREAD_POOL_SIZE",
    "RABBITMQ_KEEP_PID_FILE_ON_EXIT",
    "RABBITMQ_MNESIA_BASE",
    "RABBITMQ_MNESIA_DIR",
    "RABBITMQ_MOTD_FILE",
    "RABBITMQ_PLUGINS_DIR",
    "RABBITMQ_PLUGINS_EXPAND_DIR",
    "RABBITMQ_QUORUM_DIR",
    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
    "RABBITMQ_SERVER_ERL_ARGS",
    "RABBITMQ_SERVER_START_ARGS",
    "RABBITMQ_STREAM_DIR",
    "RABBITMQ_UPGRADE_LOG",
    "RABBITMQ_USE_LONGNAME",
)
"""Variables that change something in RabbitMQ and nothing here. Others, such as the RABBITMQ_SERVICE_HOST that Kubernetes
sets for a service of that name, are nobody's business."""

OF_BITNAMI = (
    "RABBITMQ_DEFINITIONS_FILE",
    "RABBITMQ_DISK_FREE_ABSOLUTE_LIMIT",
    "RABBITMQ_DISK_FREE_RELATIVE_LIMIT",
    "RABBITMQ_LOAD_DEFINITIONS",
    "RABBITMQ_NODE_NAME",
    "RABBITMQ_PASSWORD",
    "RABBITMQ_PASSWORD_FILE",
    "RABBITMQ_PLUGINS",
    "RABBITMQ_USERNAME",
    "RABBITMQ_VHOST",
    "RABBITMQ_VHOSTS",
)
"""Variables of Bitnami's image, from which some come."""


def refuse_deprecated(environment: Mapping[str, str]) -> None:
    """Refuse what RabbitMQ's container image refuses, with its words. Raises InvalidConfiguration."""
    found = [f"{name} is set but deprecated" for name in REFUSED_BY_CONTAINER if environment.get(name)]
    if found:
        raise InvalidConfiguration([*found, *REFUSAL])


def without_effect(environment: Mapping[str, str]) -> list[str]:
    """The variables that are set and change nothing."""
    found = [name for name in WITHOUT_EFFECT if environment.get(name)]
    if ":" in environment.get(LOGS, ""):
        # exchange:, journald: and syslog:
        found.append(LOGS)
    return found


def of_bitnami(environment: Mapping[str, str]) -> list[str]:
    """The variables of Bitnami's image that are set."""
    return [name for name in OF_BITNAMI if environment.get(name)]


def below_files(environment: Mapping[str, str]) -> dict[str, object]:
    """Settings that a configuration file overrides. Raises InvalidSetting."""
    values = _read(environment, BELOW_FILES)
    port = environment.get(NODE_PORT)
    address = environment.get(NODE_IP_ADDRESS)
    if port:
        values["port"] = read_setting("port", port, NODE_PORT)
    if port or address:
        # RabbitMQ listens everywhere unless it is told where.
        values["host"] = (
            EVERYWHERE if address in (None, "", "auto") else read_setting("host", address, NODE_IP_ADDRESS)
        )
    if environment.get(NODENAME):
        values["cluster_name"] = _node_name(environment[NODENAME])
    return values


def above_files(environment: Mapping[str, str]) -> dict[str, object]:
    """Settings that override a configuration file. Raises InvalidSetting."""
    values = _read(environment, ABOVE_FILES)
    values |= _log_levels(environment.get(LOG, ""))
    values |= _log_output(environment.get(LOGS, ""))
    return values


def _log_levels(text: str) -> dict[str, object]:
    """What RABBITMQ_LOG says: a level for all, levels of categories (connection=debug), and flags (+json)."""
    values: dict[str, object] = {}
    levels: list[tuple[str, str]] = []
    for word in filter(None, text.split(",")):
        category, _equals, level = word.partition("=")
        if word[0] in "+-":
            if word[1:] == "json":
                formatter = "json" if word[0] == "+" else "plaintext"
                values |= dict.fromkeys(("log_console_formatter", "log_file_formatter"), formatter)
        elif category in CATEGORIES:
            levels.append((category, level if level in LEVELS else "info"))
        elif not level:
            read = read_setting("log_level", word, LOG)
            values |= dict.fromkeys(("log_level", "log_file_level"), read)
    if levels:
        values["log_levels"] = ByCategory(tuple(levels))
    return values


def _log_output(place: str) -> dict[str, object]:
    """What RABBITMQ_LOGS says: a file, or - for standard output."""
    if place in CONSOLES:
        return {"log_console": "true", "log_console_stdio": CONSOLES[place], "log_file": "false"}
    if not place or ":" in place:
        return {}
    return {"log_console": "false", "log_file": read_setting("log_file", place, LOGS)}


def _read(environment: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, object]:
    return {
        name: read_setting(name, environment[variable], variable)
        for variable, name in variables.items()
        if environment.get(variable)
    }


def _node_name(name: str) -> str:
    """A name without a host is one on this host."""
    return name if "@" in name else f"{name}@{host_name()}"
