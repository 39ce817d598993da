"""Connections that end because somebody else wants it, and what users may do when that changes (RabbitMQ 3.10.8)."""

import pytest
from pamqp import commands

from amqpd.auth import passwords
from amqpd.auth.users import User
from amqpd.testing import Content, DurableBroker, MemoryBroker, Peer, Refusal
from amqpd.testing.peer import CAPABILITIES
from amqpd.wire.fields import Field
from amqpd.wire.properties import Properties

EVERYTHING = (".*", ".*", ".*")


def add_user(broker: MemoryBroker, name: str, *vhosts: str) -> None:
    broker.users.add(User(name, passwords.hash_password("pw", b"salt")))
    for vhost in vhosts:
        broker.users.set_permissions(name, vhost, *EVERYTHING)


def enter(broker: MemoryBroker, vhost: str, user: str = "anna") -> Peer:
    peer = broker.peer().open(vhost, user=user, password="pw")
    peer.open_channel(1)
    return peer


@pytest.fixture
def broker() -> MemoryBroker:
    """With the user anna, and a vhost v beside the first one."""
    broker = MemoryBroker()
    broker.broker.add_vhost("v")
    add_user(broker, "anna", "/", "v")
    return broker


@pytest.fixture
def anna(broker: MemoryBroker) -> Peer:
    return enter(broker, "v")


def forced(text: str) -> Refusal:
    return Refusal("connection", 320, f"CONNECTION_FORCED - {text}")


class TestOpenConnections:
    def test_they_are_listed_from_open_to_close(self, broker: MemoryBroker):
        connections = broker.broker.connections
        early = broker.peer()
        early.start()
        assert connections.all() == []
        anna, guest = enter(broker, "v"), broker.connect()
        assert connections.all() == [anna.connection, guest.connection]
        assert connections.in_vhost("v") == connections.of_user("anna") == [anna.connection]
        anna.close()
        guest.disconnect()
        assert connections.all() == []

    def test_each_is_found_by_its_name(self, broker: MemoryBroker, anna: Peer):
        assert broker.broker.connections.named(anna.connection.peer.name) is anna.connection
        assert broker.broker.connections.named("nobody") is None

    def test_one_that_somebody_closes_is_told_why(self, broker: MemoryBroker, anna: Peer):
        anna.connection.close_for("Closed via management plugin")
        assert anna.refusal() == forced("Closed via management plugin")
        assert broker.broker.connections.all() == []
        anna.send(0, commands.Connection.CloseOk())
        assert anna.stream_closed

    def test_closing_twice_is_closing_once(self, anna: Peer):
        anna.connection.close_for("one")
        anna.connection.close_for("two")
        assert anna.refusal() == forced("one")
        assert anna.refusal() is None

    def test_an_exclusive_queue_goes_with_a_closed_connection(self, broker: MemoryBroker, anna: Peer):
        anna.call(1, commands.Queue.Declare(queue="mine", exclusive=True))
        anna.connection.close_for("enough")
        assert broker.broker.vhosts["v"].queues == {}


class TestDeletedVhost:
    def test_its_connections_are_closed_and_no_others(self, broker: MemoryBroker, anna: Peer):
        elsewhere = enter(broker, "/")
        assert broker.broker.delete_vhost("v")
        assert anna.refusal() == forced("vhost 'v' is deleted")
        assert elsewhere.is_open

    def test_consumers_hear_of_it_first(self, broker: MemoryBroker, anna: Peer):
        anna.call(1, commands.Queue.Declare(queue="q"))
        anna.call(1, commands.Basic.Consume(queue="q", consumer_tag="t"))
        broker.broker.delete_vhost("v")
        cancel, close = [received.frame for received in anna.receive()]
        assert isinstance(cancel, commands.Basic.Cancel)
        assert isinstance(close, commands.Connection.Close)

    def test_a_client_that_can_not_hear_of_cancelled_consumers_is_just_closed(self, broker: MemoryBroker):
        plain = dict.fromkeys(CAPABILITIES, False)
        anna = broker.peer().open("v", user="anna", password="pw", capabilities=plain)
        anna.open_channel(1)
        anna.call(1, commands.Queue.Declare(queue="q", auto_delete=True))
        anna.call(1, commands.Basic.Consume(queue="q"))
        broker.broker.delete_vhost("v")
        assert [type(received.frame) for received in anna.receive()] == [commands.Connection.Close]

    def test_nobody_enters_it_any_more(self, broker: MemoryBroker):
        broker.broker.delete_vhost("v")
        late = broker.peer()
        late.start()
        late.log_in("anna", "pw")
        late.tune()
        late.send(0, commands.Connection.Open("v"))
        assert late.refusal() == Refusal("connection", 530, "NOT_ALLOWED - vhost v not found", 10, 40)

    def test_one_that_is_not_there_can_not_be_deleted(self, broker: MemoryBroker):
        assert not broker.broker.delete_vhost("w")

    def test_a_new_one_of_its_name_has_nothing_of_it(self, broker: MemoryBroker, anna: Peer):
        anna.call(1, commands.Queue.Declare(queue="q"))
        anna.call(1, commands.Exchange.Declare(exchange="x"))
        broker.broker.delete_vhost("v")
        vhost = broker.broker.add_vhost("v")
        assert vhost.queues == {}
        assert "x" not in vhost.exchanges
        assert "amq.topic" in vhost.exchanges

    def test_nothing_that_was_due_there_happens(self, broker: MemoryBroker, anna: Peer):
        declare = commands.Queue.Declare(queue="q")
        declare.arguments = {"x-expires": Field("l", 1000), "x-message-ttl": Field("l", 500)}  # type: ignore[dict-item]
        anna.call(1, declare)
        later = commands.Exchange.Declare(exchange="later", exchange_type="x-delayed-message")
        later.arguments = {"x-delayed-type": Field("S", "fanout")}  # type: ignore[dict-item]
        anna.call(1, later)
        anna.call(1, commands.Queue.Bind(queue="q", exchange="later"))
        anna.publish(1, "", "q", b"m")
        anna.publish(1, "later", "q", b"m", Properties(headers={"x-delay": Field("l", 100)}))
        anna.call(1, commands.Basic.Get(queue="q"))
        broker.broker.delete_vhost("v")
        broker.advance(10)
        assert anna.refusal() == forced("vhost 'v' is deleted")

    @pytest.mark.parametrize("end", ["restart", "kill", "power"])
    def test_it_stays_away_with_its_messages(self, end: str):
        broker = DurableBroker()
        broker.broker.add_vhost("v")
        broker.users.set_permissions("guest", "v", *EVERYTHING)
        peer = broker.peer().open("v")
        peer.open_channel(1)
        for arguments in ({}, {"x-queue-type": Field("S", "quorum")}, {"x-max-priority": Field("l", 3)}):
            declare = commands.Queue.Declare(
                queue=f"q{len(arguments)}{'x-max-priority' in arguments}", durable=True
            )
            declare.arguments = arguments  # type: ignore[assignment]
            peer.call(1, declare)
            peer.publish(1, "", declare.queue, b"m", Properties(delivery_mode=2))
        later = commands.Exchange.Declare(exchange="later", exchange_type="x-delayed-message", durable=True)
        later.arguments = {"x-delayed-type": Field("S", "fanout")}  # type: ignore[dict-item]
        peer.call(1, later)
        delayed = Properties(delivery_mode=2, headers={"x-delay": Field("l", 10000)})
        peer.publish(1, "later", "", b"m", delayed)
        assert len(broker.journal.indexes) > 4
        broker.users.forget_vhost("v")
        broker.broker.delete_vhost("v")
        assert broker.journal.indexes == {}
        broker.flush()
        again = (
            broker.restart() if end == "restart" else broker.kill() if end == "kill" else broker.lose_power(1)
        )
        assert list(again.broker.vhosts) == ["/"]
        assert again.journal.indexes == {}
        guest = again.users.get("guest")
        assert guest is not None
        assert list(guest.permissions) == ["/"]
        once_more = again.restart()
        assert list(once_more.broker.vhosts) == ["/"]

    def test_made_again_it_is_there_after_a_restart(self):
        broker = DurableBroker()
        broker.broker.add_vhost("v")
        broker.broker.delete_vhost("v")
        broker.broker.add_vhost("v")
        broker.flush()
        assert sorted(broker.kill().broker.vhosts) == ["/", "v"]

    def test_messages_of_other_vhosts_stay(self):
        broker = DurableBroker()
        broker.broker.add_vhost("v")
        peer = broker.connect()
        peer.call(1, commands.Queue.Declare(queue="q", durable=True))
        peer.publish(1, "", "q", b"m", Properties(delivery_mode=2))
        broker.broker.delete_vhost("v")
        broker.flush()
        got = broker.kill().connect().call(1, commands.Basic.Get(queue="q"))
        assert isinstance(got, Content)
        assert got.body == b"m"


class TestDeletedUser:
    def test_its_connections_are_closed_and_no_others(self, broker: MemoryBroker, anna: Peer):
        guest = broker.connect()
        broker.users.delete("anna")
        assert anna.refusal() == forced("user 'anna' is deleted")
        assert guest.is_open
        assert broker.broker.connections.of_user("anna") == []

    def test_one_that_has_logged_in_and_not_entered_does_not_get_in(self, broker: MemoryBroker):
        late = broker.peer()
        late.start()
        late.log_in("anna", "pw")
        late.tune()
        broker.users.delete("anna")
        late.send(0, commands.Connection.Open("v"))
        text = "NOT_ALLOWED - access to vhost 'v' refused for user 'anna'"
        assert late.refusal() == Refusal("connection", 530, text, 10, 40)

    def test_a_connection_that_is_over_hears_nothing_of_it(self, broker: MemoryBroker, anna: Peer):
        anna.send(0, commands.Connection.Close(200, "Goodbye", 0, 0))
        anna.receive()
        before = broker.broker.vhosts["v"].topology
        broker.users.set_tags("anna", ["t"])
        broker.users.delete("anna")
        assert anna.receive() == []
        assert broker.broker.vhosts["v"].topology == before

    def test_one_who_comes_again_is_somebody_else(self, broker: MemoryBroker, anna: Peer):
        broker.users.delete("anna")
        add_user(broker, "anna", "v")
        assert not anna.is_open
        assert enter(broker, "v").is_open


class TestChangedUser:
    def test_a_new_password_leaves_connections_alone(self, broker: MemoryBroker, anna: Peer):
        broker.users.change_password("anna", passwords.hash_password("new", b"salt"), passwords.SHA256)
        assert isinstance(anna.call(1, commands.Queue.Declare(queue="q")), commands.Queue.DeclareOk)
        assert anna.is_open

    def test_what_is_forbidden_now_is_forbidden_at_once(self, broker: MemoryBroker, anna: Peer):
        anna.call(1, commands.Queue.Declare(queue="q"))
        anna.publish(1, "", "q", b"m")
        assert anna.refusal() is None
        broker.users.set_permissions("anna", "v", ".*", "^$", ".*")
        anna.publish(1, "", "q", b"m")
        text = "ACCESS_REFUSED - access to exchange 'amq.default' in vhost 'v' refused for user 'anna'"
        assert anna.refusal() == Refusal("channel", 403, text, 60, 40)

    def test_what_is_allowed_now_is_allowed_at_once(self, broker: MemoryBroker, anna: Peer):
        broker.users.set_permissions("anna", "v", "^$", "^$", "^$")
        anna.publish(1, "", "q", b"m")
        assert anna.refusal() is not None
        broker.users.set_permissions("anna", "v", *EVERYTHING)
        anna.open_channel(2)
        anna.publish(2, "", "q", b"m")
        assert anna.refusal() is None

    def test_topic_permissions_count_at_once(self, broker: MemoryBroker, anna: Peer):
        anna.publish(1, "amq.topic", "b", b"m")
        assert anna.refusal() is None
        broker.users.set_topic_permissions("anna", "v", "amq.topic", "^a", ".*")
        anna.publish(1, "amq.topic", "b", b"m")
        text = "ACCESS_REFUSED - access to topic 'b' in exchange 'amq.topic' in vhost 'v' refused for user 'anna'"
        assert anna.refusal() == Refusal("channel", 403, text, 60, 40)
        broker.users.clear_topic_permissions("anna", "v", "amq.topic")
        anna.open_channel(2)
        anna.publish(2, "amq.topic", "b", b"m")
        assert anna.refusal() is None

    def test_without_permissions_it_stays_and_may_do_nothing(self, broker: MemoryBroker, anna: Peer):
        broker.users.clear_permissions("anna", "v")
        anna.send(1, commands.Queue.Declare(queue="q"))
        text = "ACCESS_REFUSED - access to queue 'q' in vhost 'v' refused for user 'anna'"
        assert anna.refusal() == Refusal("channel", 403, text, 50, 10)
        assert anna.is_open

    def test_a_user_that_is_replaced_counts_as_it_is_now(self, broker: MemoryBroker, anna: Peer):
        anna.publish(1, "", "q", b"m")
        broker.users.add(User("anna", ""))
        anna.publish(1, "", "q", b"m")
        refusal = anna.refusal()
        assert refusal is not None
        assert refusal.reply_code == 403
