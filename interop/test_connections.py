"""What clients rely on when they connect: logins, negotiation, what the server says of itself."""

import re
from collections.abc import Callable

import pika
import pytest
from pika.exceptions import (
    AMQPConnectionError,
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    ProbableAuthenticationError,
)

from interop.broker import Broker

Connect = Callable[[], pika.BlockingConnection]


def parameters(broker: Broker, **changes: object) -> pika.URLParameters:
    changed = pika.URLParameters(broker.url)
    for name, value in changes.items():
        setattr(changed, name, value)
    return changed


def server_properties(connection: pika.BlockingConnection) -> dict[str, object]:
    properties: dict[str, object] = connection._impl.server_properties
    return properties


@pytest.mark.parametrize("login", [("guest", "wrong"), ("nobody", "guest"), ("guest", "")])
def test_pika_takes_a_refused_login_for_what_it_is(broker: Broker, login: tuple[str, str]) -> None:
    with pytest.raises(ProbableAuthenticationError) as caught:
        pika.BlockingConnection(parameters(broker, credentials=pika.PlainCredentials(*login)))
    assert "(403)" in str(caught.value)
    assert "Login was refused using authentication mechanism PLAIN" in str(caught.value)


def test_an_unknown_virtual_host_is_refused_with_530(broker: Broker) -> None:
    with pytest.raises(AMQPConnectionError) as caught:
        pika.BlockingConnection(parameters(broker, virtual_host="interop.missing"))
    assert "530" in str(caught.value)
    assert "NOT_ALLOWED - vhost interop.missing not found" in str(caught.value)


def test_the_server_calls_itself_rabbitmq_with_a_version_clients_can_parse(
    connection: pika.BlockingConnection,
) -> None:
    properties = server_properties(connection)
    assert properties["product"] == "RabbitMQ"
    assert isinstance(properties["version"], str)
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", properties["version"])
    assert isinstance(properties["cluster_name"], str)


def test_the_server_has_the_capabilities_clients_look_for(connection: pika.BlockingConnection) -> None:
    assert server_properties(connection)["capabilities"] == {
        "publisher_confirms": True,
        "exchange_exchange_bindings": True,
        "basic.nack": True,
        "consumer_cancel_notify": True,
        "connection.blocked": True,
        "consumer_priorities": True,
        "authentication_failure_close": True,
        "per_consumer_qos": True,
        "direct_reply_to": True,
    }


@pytest.mark.parametrize(("asked", "agreed"), [(None, 60), (10, 10), (0, 0), (600, 600)])
def test_the_heartbeat_is_what_the_client_asks_for_or_60_s(
    broker: Broker, asked: int | None, agreed: int
) -> None:
    with pika.BlockingConnection(parameters(broker, heartbeat=asked)) as connection:
        assert connection._impl.params.heartbeat == agreed


def test_a_connection_with_heartbeats_outlives_its_silence(broker: Broker) -> None:
    with pika.BlockingConnection(parameters(broker, heartbeat=3)) as connection:
        channel = connection.channel()
        # Whoever is silent for twice as long is cut off.
        connection.process_data_events(time_limit=7)
        assert channel.queue_declare("", exclusive=True).method.queue


def test_frames_may_be_131072_octets_and_channels_2047(connection: pika.BlockingConnection) -> None:
    assert connection._impl.params.frame_max == 131072
    assert connection._impl.params.channel_max == 2047


def test_a_connection_carries_many_channels_and_uses_their_numbers_again(
    connection: pika.BlockingConnection,
) -> None:
    channels = [connection.channel() for _ in range(100)]
    assert [channel.channel_number for channel in channels] == list(range(1, 101))
    for channel in channels:
        channel.close()
    assert connection.channel().channel_number == 1


def test_connections_open_and_close_many_times(broker: Broker) -> None:
    for _ in range(50):
        with pika.BlockingConnection(parameters(broker)) as connection:
            connection.channel().queue_declare("", exclusive=True)
        assert connection.is_closed


def test_a_url_without_a_path_means_the_virtual_host_slash(broker: Broker) -> None:
    url = f"amqp://{broker.username}:{broker.password}@{broker.host}:{broker.port}"
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        assert connection._impl.params.virtual_host == "/"
        assert connection.channel().is_open


def test_an_unknown_exchange_type_is_refused_by_name(connection: pika.BlockingConnection) -> None:
    # RabbitMQ 3 closes the connection for this, RabbitMQ 4 and amqpd the channel
    with pytest.raises((ConnectionClosedByBroker, ChannelClosedByBroker)) as caught:
        connection.channel().exchange_declare("interop.any", "no-such-type")
    assert caught.value.reply_text.endswith(" - unknown exchange type 'no-such-type'")


def test_flow_is_always_on(connection: pika.BlockingConnection) -> None:
    assert connection.channel().flow(True) is True
