"""`amqpd log`: what it prints, and what its exit status says."""

import json
import re
from pathlib import Path
from zlib import crc32

import pytest
from pamqp import commands

from amqpd.app import make_broker
from amqpd.auth.users import default_users
from amqpd.broker.definitions import QueueDeclared
from amqpd.cli.amqpd import main
from amqpd.durability import CannotStart, DataDirectory
from amqpd.events import Events
from amqpd.store.files import DiskFiles
from amqpd.testing.clock import FakeClock
from amqpd.testing.durable import DurableBroker
from amqpd.wire.fields import Field, encode_table
from amqpd.wire.properties import Properties

FIRST = "log/0000000001.log"


def data_directory(to: Path, broker: DurableBroker) -> Path:
    """What a broker has on its disk in memory, on a real one, with no more zeros ahead than it takes."""
    for path in broker.memory_files.sizes():
        place = to / Path(path).relative_to("/data")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(broker.memory_files.read_all(path))
    return to


@pytest.fixture
def broker() -> DurableBroker:
    """A queue with three messages, one of them delivered, bound to an exchange."""
    broker = DurableBroker()
    peer = broker.connect()
    peer.call(1, commands.Exchange.Declare(exchange="e", durable=True))
    peer.call(1, commands.Queue.Declare(queue="orders", durable=True))
    storage = broker.broker.storage
    odd = QueueDeclared("a\nb", True, False, None, {}, storage.new_queue_id())
    broker.broker.vhosts["/"].change(odd)
    peer.call(1, commands.Queue.Bind(queue="orders", exchange="e", routing_key="k"))
    for number in range(3):
        peer.publish(1, "e", "k", b"secret body %d" % number, Properties(delivery_mode=2))
    peer.call(1, commands.Basic.Get(queue="orders"))
    return broker


@pytest.fixture
def directory(tmp_path: Path, broker: DurableBroker) -> Path:
    return data_directory(tmp_path, broker)


def corrupt(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def snapshot(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def inspected(capsys: pytest.CaptureFixture[str], directory: Path, *options: str) -> dict[str, object]:
    main(["log", "inspect", str(directory), "--json", *options])
    record: dict[str, object] = json.loads(capsys.readouterr().out)
    return record


def test_a_sound_log_is_exit_0_and_nothing_is_changed(capsys: pytest.CaptureFixture[str], directory: Path):
    before = snapshot(directory)
    assert main(["log", "inspect", str(directory)]) == 0
    assert snapshot(directory) == before
    assert capsys.readouterr().out.endswith("The log is sound.\n")


def test_json_has_everything_in_numbers(capsys: pytest.CaptureFixture[str], directory: Path):
    record = inspected(capsys, directory)
    assert record["sound"] is True
    assert (record["torn_end"], record["damages"], record["lock_holder"]) == (None, [], None)
    assert record["definitions"] == {"vhosts": 1, "users": 1, "exchanges": 1, "queues": 2, "bindings": 1}
    odd, orders = record["queues"]  # type: ignore[misc]
    assert odd["name"] == "a\nb"
    assert (orders["vhost"], orders["name"]) == ("/", "orders")
    assert (orders["messages"], orders["delivered_before"]) == (3, 1)
    (segment,) = record["segments"]  # type: ignore[misc]
    assert segment["records"]["message"] == 3
    assert (segment["live_bytes"], segment["dead_bytes"]) == (orders["bytes"], 0)


def test_the_text_has_a_line_for_each_segment_and_queue(capsys: pytest.CaptureFixture[str], directory: Path):
    main(["log", "inspect", str(directory)])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["vhosts", "1"] in lines
    assert ["/", '"a\\nb"', "2", "0", "0", "0"] in lines
    assert [line[:5] for line in lines if line[1:2] == ["orders"]] == [["/", "orders", "1", "3", "1"]]


def test_delayed_messages_are_listed_by_their_exchange(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, broker: DurableBroker
):
    peer = broker.connect()
    arguments = {"x-delayed-type": "fanout"}
    declare = commands.Exchange.Declare(
        exchange="later", exchange_type="x-delayed-message", durable=True, arguments=arguments
    )
    peer.call(1, declare)
    for _ in range(2):
        peer.publish(1, "later", "", b"", Properties(headers={"x-delay": Field("I", 60_000)}))
    directory = data_directory(tmp_path, broker)
    (later,) = inspected(capsys, directory)["delayed"]  # type: ignore[misc]
    assert (later["vhost"], later["name"], later["messages"]) == ("/", "later", 2)
    main(["log", "inspect", str(directory)])
    assert "Delayed messages" in capsys.readouterr().out


def test_neither_bodies_nor_password_hashes_are_printed(
    capsys: pytest.CaptureFixture[str], directory: Path, broker: DurableBroker
):
    guest = broker.users.get("guest")
    assert guest is not None
    for options in ([], ["--json"]):
        main(["log", "inspect", str(directory), *options])
        output = capsys.readouterr().out
        assert "secret" not in output
        assert guest.password_hash not in output


def test_one_queue_can_be_asked_for(capsys: pytest.CaptureFixture[str], directory: Path):
    (queue,) = inspected(capsys, directory, "--queue", "orders")["queues"]  # type: ignore[misc]
    assert queue["name"] == "orders"


def test_damage_is_exit_1_with_file_and_offset(capsys: pytest.CaptureFixture[str], directory: Path):
    corrupt(directory / FIRST, 40)
    assert main(["log", "inspect", str(directory)]) == 1
    output = capsys.readouterr().out
    assert re.search(rf"^Damaged: {re.escape(str(directory / FIRST))}, offset 32, \d+ bytes: ", output, re.M)
    assert output.endswith("The log is damaged.\n")


def test_a_torn_end_is_exit_0_and_said(capsys: pytest.CaptureFixture[str], directory: Path):
    data = (directory / FIRST).read_bytes().rstrip(b"\0")
    corrupt(directory / FIRST, len(data) - 1)
    assert main(["log", "inspect", str(directory)]) == 0
    assert re.search(
        r"^Torn end: .*a start cuts it off, and that is no damage\.$", capsys.readouterr().out, re.M
    )


def test_while_a_broker_runs_its_name_is_told_and_set_aside_is_refused(
    capsys: pytest.CaptureFixture[str], directory: Path
):
    lock = DiskFiles().lock(str(directory / "lock"), "process 7 on here")
    try:
        assert main(["log", "inspect", str(directory)]) == 0
        assert (
            "The lock is held by process 7 on here: these figures are of a moment." in capsys.readouterr().out
        )
        assert main(["log", "set-aside", str(directory)]) == 2
        message = f"amqpd log: data directory {directory} is in use by process 7 on here\n"
        assert capsys.readouterr().err == message
    finally:
        lock.close()


def test_set_aside_says_what_it_did_and_the_log_is_sound_afterwards(
    capsys: pytest.CaptureFixture[str], directory: Path
):
    corrupt(directory / FIRST, 40)
    assert main(["log", "set-aside", str(directory)]) == 0
    output = capsys.readouterr().out
    copy = directory / "damaged" / "0000000001-32.damaged"
    assert f"copied to {copy}, and replaced by a filler." in output
    assert "Messages may be lost, acknowledged ones may come back" in output
    assert copy.exists()
    assert main(["log", "inspect", str(directory)]) == 0


def test_a_damaged_header_is_written_anew_and_nothing_is_said_to_be_lost(
    capsys: pytest.CaptureFixture[str], directory: Path
):
    before = (directory / FIRST).read_bytes()
    corrupt(directory / FIRST, 3)
    assert main(["log", "set-aside", str(directory)]) == 0
    output = capsys.readouterr().out
    assert "written anew" in output
    assert "lost" not in output
    assert (directory / FIRST).read_bytes() == before


def test_set_aside_of_a_sound_log_does_nothing(capsys: pytest.CaptureFixture[str], directory: Path):
    assert main(["log", "set-aside", str(directory)]) == 0
    assert capsys.readouterr().out == "Nothing is damaged: nothing was done.\n"
    assert not (directory / "damaged").exists()


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command says that ends with 2: one line."""
    assert main(["log", *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    return output.err.strip()


@pytest.mark.parametrize("command", ["inspect", "set-aside"])
def test_where_there_is_no_log_nothing_is_made(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
):
    missing = tmp_path / "missing"
    assert failure(capsys, command, str(missing)) == f"amqpd log: there is no log in {missing}"
    assert failure(capsys, command, str(tmp_path)) == f"amqpd log: there is no log in {tmp_path}"
    assert list(tmp_path.iterdir()) == []


def test_mistakes_are_one_line(capsys: pytest.CaptureFixture[str], directory: Path):
    assert "required: COMMAND" in failure(capsys)
    assert "required: DATA_DIR" in failure(capsys, "inspect")
    assert "'repair'" in failure(capsys, "repair")
    assert "no queue 'none'" in failure(capsys, "inspect", str(directory), "--queue", "none")


def test_what_can_not_be_read_is_one_line(capsys: pytest.CaptureFixture[str], directory: Path):
    (directory / "log" / "0000000002.log").mkdir()
    for command in ("inspect", "set-aside"):
        assert "log/0000000002.log: Is a directory" in failure(capsys, command, str(directory))
    clock, events = FakeClock(), Events()
    data = DataDirectory(DiskFiles(), directory, segment_bytes=65536, memory_bytes=1 << 30)
    broker = make_broker(clock, events, data.open(clock, events))
    with pytest.raises(CannotStart, match=r"log/0000000002\.log: Is a directory"):
        data.recover(broker, default_users(), events)
    data.close()


def test_another_format_is_exit_2(capsys: pytest.CaptureFixture[str], directory: Path):
    data = bytearray((directory / FIRST).read_bytes())
    data[8] = 9
    data[12:16] = crc32(data[16:32], crc32(data[8:12])).to_bytes(4, "little")
    (directory / FIRST).write_bytes(data)
    for command in ("inspect", "set-aside"):
        assert "has format version 9" in failure(capsys, command, str(directory))


def test_a_change_that_a_newer_version_has_written_is_exit_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, broker: DurableBroker
):
    table = {"change": Field("S", "policy.set"), "vhost": Field("S", "/")}
    broker.journal.define(encode_table(table))
    broker.flush()
    data_directory(tmp_path, broker)
    assert "does not know: 'policy.set'" in failure(capsys, "inspect", str(tmp_path))


@pytest.mark.parametrize("words", [["--help"], ["inspect", "--help"], ["set-aside", "--help"]])
def test_every_command_has_a_help(capsys: pytest.CaptureFixture[str], words: list[str]):
    with pytest.raises(SystemExit) as end:
        main(["log", *words])
    assert end.value.code == 0
    assert "usage: amqpd log" in capsys.readouterr().out


def test_the_help_of_the_broker_mentions_it(capsys: pytest.CaptureFixture[str]):
    main(["--help"])
    assert "amqpd log --help" in " ".join(capsys.readouterr().out.split())
