import errno
import os
import random

import pytest

from amqpd.store.files import DiskFiles, InUse
from amqpd.testing import FailingFiles, MemoryFiles

SEEDS = range(200)


@pytest.fixture(params=["disk", "memory", "failing"])
def files(request):
    if request.param == "disk":
        return DiskFiles()
    return MemoryFiles() if request.param == "memory" else FailingFiles(MemoryFiles())


@pytest.fixture
def place(files, tmp_path):
    path = str(tmp_path / "data")
    files.make_directory(path)
    return path


def number_of(error):
    return error.value.errno


def content_of(files, path):
    file = files.open(path, False)
    try:
        return file.read(0, file.size() + 1)
    finally:
        file.close()


def memory_with(*paths, size=None):
    files = MemoryFiles(size)
    files.make_directory("/data")
    return files, [files.create(path) for path in paths]


def outcomes(files, path="/data/a"):
    return {
        after.read_all(path) if path in after.sizes() else None
        for after in (files.power_loss(random.Random(seed)) for seed in SEEDS)
    }


def names_after_power_loss(files):
    return {tuple(files.power_loss(random.Random(seed)).names("/data")) for seed in SEEDS}


# the same for every file system


def test_a_file_is_created_once(files, place):
    files.create(f"{place}/a").close()
    with pytest.raises(FileExistsError):
        files.create(f"{place}/a")


def test_a_file_that_is_not_there_cannot_be_opened_removed_or_renamed(files, place):
    with pytest.raises(FileNotFoundError):
        files.open(f"{place}/a", True)
    with pytest.raises(FileNotFoundError):
        files.remove(f"{place}/a")
    with pytest.raises(FileNotFoundError):
        files.rename(f"{place}/a", f"{place}/b")


def test_nothing_is_in_a_directory_that_is_not_there(files, place):
    for operation in (files.names, files.sync_directory):
        with pytest.raises(FileNotFoundError):
            operation(f"{place}/none")
    with pytest.raises(FileNotFoundError):
        files.create(f"{place}/none/a")


def test_a_file_is_no_directory(files, place):
    files.create(f"{place}/a").close()
    with pytest.raises(NotADirectoryError):
        files.names(f"{place}/a")
    with pytest.raises(NotADirectoryError):
        files.create(f"{place}/a/b")
    with pytest.raises(NotADirectoryError):
        files.make_directory(f"{place}/a/b")
    with pytest.raises(FileExistsError):
        files.make_directory(f"{place}/a")


def test_a_read_past_the_end_is_short(files, place):
    file = files.create(f"{place}/a")
    file.write(0, [b"hello"], False)
    assert file.read(3, 10) == b"lo"
    assert file.read(5, 1) == b""
    assert file.read(100, 1) == b""
    assert file.read(1, 0) == b""
    file.close()


@pytest.mark.parametrize("durable", [True, False])
def test_a_write_beyond_the_end_fills_the_gap_with_zeros(files, place, durable):
    file = files.create(f"{place}/a")
    file.write(3, [b"ab", memoryview(b"cd")], durable)
    assert file.size() == 7
    assert file.read(0, 7) == b"\0\0\0abcd"
    file.close()


def test_a_write_of_nothing_beyond_the_end_changes_nothing(files, place):
    file = files.create(f"{place}/a")
    file.write(3, [b""], True)
    file.write(3, [], False)
    assert file.size() == 0
    file.close()


@pytest.mark.parametrize("durable", [True, False])
def test_a_write_takes_more_than_512_pieces(files, place, durable):
    pieces = [bytes([number % 251]) * (number % 3) for number in range(1500)]
    file = files.create(f"{place}/a")
    file.write(1, pieces, durable)
    assert file.read(1, 5000) == b"".join(pieces)
    file.close()


def test_truncate_cuts_and_extends_with_zeros(files, place):
    file = files.create(f"{place}/a")
    file.write(0, [b"hello"], False)
    file.truncate(2)
    assert file.read(0, 10) == b"he"
    file.truncate(4)
    assert file.read(0, 10) == b"he\0\0"
    file.close()


def test_a_rename_replaces_what_had_the_name(files, place):
    for name in ("a", "b"):
        file = files.create(f"{place}/{name}")
        file.write(0, [name.encode()], False)
        file.close()
    files.rename(f"{place}/a", f"{place}/b")
    files.sync_directory(place)
    assert files.names(place) == ["b"]
    assert content_of(files, f"{place}/b") == b"a"
    files.rename(f"{place}/b", f"{place}/b")
    assert files.names(place) == ["b"]


def test_a_removed_file_can_be_used_by_those_who_have_it_open(files, place):
    file = files.create(f"{place}/a")
    files.remove(f"{place}/a")
    assert files.names(place) == []
    file.write(0, [b"x"], True)
    assert file.read(0, 2) == b"x"
    file.close()


def test_names_are_sorted_and_include_directories(files, place):
    files.make_directory(f"{place}/b/deep")
    for name in ("c", "a", "B"):
        files.create(f"{place}/{name}").close()
    assert files.names(place) == ["B", "a", "b", "c"]
    assert files.names(f"{place}/b") == ["deep"]


def test_a_directory_is_made_with_those_above_and_may_be_there_already(files, place):
    files.make_directory(f"{place}/x/y/z")
    files.make_directory(f"{place}/x/y/z")
    files.make_directory(f"{place}/x")
    assert files.names(f"{place}/x/y") == ["z"]


def test_a_lock_is_held_by_one_who_is_told_to_the_others(files, place):
    held = files.lock(f"{place}/lock", "process 1 of a long name")
    with pytest.raises(InUse) as error:
        files.lock(f"{place}/lock", "process 2")
    assert error.value.holder == "process 1 of a long name"
    held.close()
    again = files.lock(f"{place}/lock", "process 2")
    assert content_of(files, f"{place}/lock") == b"process 2"
    with pytest.raises(InUse, match="process 2"):
        files.lock(f"{place}/lock", "process 3")
    again.close()


def test_check_linked_raises_when_the_file_was_removed(files, place):
    file = files.create(f"{place}/a")
    file.check_linked()
    files.remove(f"{place}/a")
    with pytest.raises(FileNotFoundError, match="the file was deleted while it was in use"):
        file.check_linked()
    file.close()


@pytest.mark.parametrize(
    "use",
    [
        lambda file: file.write(0, [b"x"], False),
        lambda file: file.write(0, [b"x"], True),
        lambda file: file.read(0, 1),
        lambda file: file.size(),
        lambda file: file.truncate(0),
        lambda file: file.check_linked(),
    ],
    ids=["write", "durable write", "read", "size", "truncate", "check_linked"],
)
def test_a_closed_file_is_a_bad_descriptor(files, place, use):
    file = files.create(f"{place}/a")
    file.close()
    file.close()
    with pytest.raises(OSError) as error:
        use(file)
    assert number_of(error) == errno.EBADF


def test_negative_offsets_and_sizes_are_invalid(files, place):
    file = files.create(f"{place}/a")
    for use in (lambda: file.write(-1, [b"x"], False), lambda: file.read(-1, 1), lambda: file.truncate(-1)):
        with pytest.raises(OSError) as error:
            use()
        assert number_of(error) == errno.EINVAL
    file.close()


def test_a_file_opened_to_be_read_is_not_written(files, place):
    files.create(f"{place}/a").close()
    file = files.open(f"{place}/a", False)
    with pytest.raises(OSError) as error:
        file.write(0, [b"x"], False)
    assert number_of(error) == errno.EBADF
    with pytest.raises(OSError) as error:
        file.truncate(0)
    assert number_of(error) == errno.EINVAL
    file.close()


# power loss and process death


def test_power_loss_keeps_what_was_written_durably():
    files, [file] = memory_with("/data/a")
    files.sync_directory("/data")
    file.write(0, [b"a" * 1000], False)
    file.write(700, [b"b" * 600], True)
    file.write(2000, [b"c" * 600], False)
    for content in outcomes(files):
        assert content[700:1300] == b"b" * 600
        assert 1300 <= len(content) <= 2600


def test_a_durable_write_makes_only_its_own_range_durable():
    files, [file] = memory_with("/data/a")
    files.sync_directory("/data")
    file.write(0, [b"a" * 10], False)
    file.write(10, [b"b" * 10], True)
    assert outcomes(files) == {b"a" * 10 + b"b" * 10, b"\0" * 10 + b"b" * 10}


def test_each_sector_is_in_any_of_the_states_it_went_through():
    files, [file] = memory_with("/data/a")
    files.sync_directory("/data")
    file.truncate(1024)
    for letter in (b"a", b"b"):
        file.write(0, [letter * 1024], False)
    states = [letter * 512 for letter in (b"\0", b"a", b"b")]
    assert outcomes(files) == {first + second for first in states for second in states}


def test_a_size_that_is_not_synced_is_anywhere_between():
    files, [file] = memory_with("/data/a")
    files.sync_directory("/data")
    file.write(0, [b"a" * 3], True)
    file.write(3, [b"b" * 2], False)
    assert outcomes(files) == {b"aaa", b"aaab", b"aaabb", b"aaa\0", b"aaa\0\0"}


def test_truncate_makes_the_whole_file_durable():
    files, [file] = memory_with("/data/a")
    files.sync_directory("/data")
    file.write(0, [b"a" * 2000], False)
    file.truncate(1500)
    assert outcomes(files) == {b"a" * 1500}


def test_a_file_whose_directory_is_not_synced_is_there_or_not():
    files, [file, _other] = memory_with("/data/a", "/data/b")
    file.write(0, [b"x"], True)
    assert names_after_power_loss(files) == {(), ("a",), ("b",), ("a", "b")}
    assert outcomes(files) == {None, b"x"}


def test_a_file_whose_removal_is_not_synced_is_there_or_not():
    files, _ = memory_with("/data/a", "/data/b")
    files.sync_directory("/data")
    files.remove("/data/a")
    assert names_after_power_loss(files) == {("a", "b"), ("b",)}


def test_synced_changes_of_a_directory_stay():
    files, _ = memory_with("/data/a", "/data/b", "/data/c")
    files.remove("/data/a")
    files.rename("/data/b", "/data/d")
    files.sync_directory("/data")
    assert names_after_power_loss(files) == {("c", "d")}


def test_a_directory_is_durable_when_it_is_made():
    files = MemoryFiles()
    files.make_directory("/data/x/y")
    assert all(files.power_loss(random.Random(seed)).names("/data/x") == ["y"] for seed in SEEDS)


def test_a_rename_is_done_or_not():
    files, [old, new] = memory_with("/data/a", "/data/new")
    old.write(0, [b"old"], True)
    new.write(0, [b"new"], True)
    files.sync_directory("/data")
    files.rename("/data/new", "/data/a")
    assert names_after_power_loss(files) == {("a", "new"), ("a",)}
    assert outcomes(files) == {b"old", b"new"}


def test_no_synced_file_is_lost_to_renames_one_after_the_other():
    files, created = memory_with("/data/a", "/data/b", "/data/c")
    for number, file in enumerate(created):
        file.write(0, [b"%d" % number], True)
    files.sync_directory("/data")
    files.rename("/data/b", "/data/d")
    files.rename("/data/a", "/data/b")
    files.rename("/data/c", "/data/a")
    for seed in SEEDS:
        after = files.power_loss(random.Random(seed))
        assert sorted(after.read_all(path) for path in after.sizes()) == [b"0", b"1", b"2"]


def test_a_rename_between_directories_is_synced_in_both_at_once():
    files, [file] = memory_with("/data/a")
    file.write(0, [b"x"], True)
    files.make_directory("/other")
    files.rename("/data/a", "/other/a")
    files.sync_directory("/other")
    assert outcomes(files, "/other/a") == {b"x"}
    assert names_after_power_loss(files) == {()}


def test_what_is_there_after_a_power_loss_is_on_disk():
    files, [file] = memory_with("/data/a")
    file.write(0, [b"a" * 5000], False)
    for seed in SEEDS:
        after = files.power_loss(random.Random(seed))
        assert after.power_loss(random.Random(seed + 1)).sizes() == after.sizes()


def test_power_loss_depends_on_the_seed_alone():
    files, [file] = memory_with("/data/a")
    file.write(0, [b"a" * 5000], False)
    first, second = (files.power_loss(random.Random(7)) for _ in range(2))
    assert first.sizes() == second.sizes()
    assert all(first.read_all(path) == second.read_all(path) for path in first.sizes())


def test_process_death_keeps_all_that_was_written_and_what_was_not_synced_may_still_be_lost():
    files, [file] = memory_with("/data/a")
    files.sync_directory("/data")
    file.write(0, [b"abc"], False)
    after = files.process_death()
    assert after.read_all("/data/a") == b"abc"
    assert {b"", b"abc"} <= outcomes(after)
    after = files.process_death()
    after.open("/data/a", True).write(0, [b"xyz"], True)
    assert outcomes(after) == {b"xyz"}
    assert files.read_all("/data/a") == b"abc"


@pytest.mark.parametrize(
    "end", [lambda files: files.process_death(), lambda files: files.power_loss(random.Random(0))]
)
def test_what_has_ended_is_not_used_any_more_and_its_locks_are_free(end):
    files, [file] = memory_with("/data/a")
    held = files.lock("/data/lock", "me")
    after = end(files)
    uses = [
        lambda: files.names("/data"),
        lambda: files.create("/data/b"),
        lambda: files.open("/data/a", False),
        lambda: files.remove("/data/a"),
        lambda: files.rename("/data/a", "/data/b"),
        lambda: files.sync_directory("/data"),
        lambda: files.make_directory("/data"),
        lambda: files.lock("/data/lock", "me"),
        lambda: file.write(0, [b"x"], True),
        lambda: file.read(0, 1),
        lambda: file.size(),
        lambda: file.truncate(0),
        lambda: file.check_linked(),
    ]
    for use in uses:
        with pytest.raises(OSError) as error:
            use()
        assert number_of(error) == errno.EIO
    held.close()
    after.lock("/data/lock", "another")


def test_corruption_is_read_now_and_after_a_power_loss():
    files, [file] = memory_with("/data/a")
    files.sync_directory("/data")
    file.write(0, [b"aaa"], True)
    file.write(0, [b"bbb"], False)
    files.corrupt("/data/a", 1, 0x80)
    assert file.read(0, 3) == b"b\xe2b"
    assert outcomes(files) == {b"a\xe1a", b"b\xe2b"}
    with pytest.raises(ValueError, match="byte 3 of 3"):
        files.corrupt("/data/a", 3, 1)


def test_a_full_disk_takes_what_fits_and_not_durably():
    files, [file, other] = memory_with("/data/a", "/data/b", size=10)
    files.sync_directory("/data")
    other.write(0, [b"bbbb"], True)
    with pytest.raises(OSError) as error:
        file.write(2, [b"aa", b"aaaaaaa"], True)
    assert number_of(error) == errno.ENOSPC
    assert files.sizes() == {"/data/a": 6, "/data/b": 4}
    file.write(0, [b"xxxxxx"], False)
    with pytest.raises(OSError):
        file.write(20, [b"a"], False)
    assert file.read(0, 20) == b"xxxxxx"
    files.capacity_bytes = 12
    file.write(6, [b"yy"], False)
    files.remove("/data/b")
    file.write(8, [b"zzzz"], False)
    assert file.size() == 12
    assert b"" in outcomes(files)


def test_relative_paths_are_under_the_working_directory():
    files = MemoryFiles()
    files.make_directory("data/x/")
    files.create("data/x/a").close()
    assert list(files.sizes()) == [os.path.abspath("data/x/a")]


# failures


def steps(files):
    files.make_directory("/data")
    file = files.create("/data/a")
    file.write(13, [b"x"], True)
    file.write(0, [b"y", b"zz"], False)
    file.read(0, 5)
    file.size()
    file.truncate(2)
    file.check_linked()
    file.close()
    files.open("/data/a", True).close()
    files.rename("/data/a", "/data/b")
    files.sync_directory("/data")
    files.names("/data")
    files.lock("/data/lock", "me").close()
    files.remove("/data/b")


STEPS = [
    "make_directory /data",
    "create /data/a",
    "write /data/a 13+1 durable",
    "write /data/a 0+3",
    "read /data/a 0+5",
    "size /data/a",
    "truncate /data/a 2",
    "check_linked /data/a",
    "open /data/a writable",
    "rename /data/a /data/b",
    "sync_directory /data",
    "names /data",
    "lock /data/lock",
    "remove /data/b",
]


def test_operations_are_counted_and_told():
    files = FailingFiles(MemoryFiles())
    steps(files)
    assert files.log == STEPS
    assert files.operations == len(STEPS)
    assert not files.failed


@pytest.mark.parametrize("number", range(len(STEPS)))
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_each_operation_fails_exactly_where_told(number, error):
    files = FailingFiles(MemoryFiles(), fails_at=number, error=error)
    with pytest.raises(OSError) as raised:
        steps(files)
    assert number_of(raised) == error
    assert files.failed
    assert files.log == [*STEPS[:number], f"{STEPS[number]}: {errno.errorcode[error]}"]
    files.names("/")
    assert files.operations == number + 2


def test_a_failure_for_good_lasts_until_it_is_mended():
    files = FailingFiles(MemoryFiles(), fails_at=1, for_good=True)
    files.names("/")
    for _ in range(3):
        with pytest.raises(OSError):
            files.names("/")
    files.mend()
    assert files.names("/") == []


def test_what_is_broken_fails_with_the_error_until_it_is_mended():
    files = FailingFiles(MemoryFiles())
    files.make_directory("/data")
    file = files.create("/data/a")
    files.break_with(errno.EROFS)
    for use in (
        lambda: file.write(0, [b"x"], True),
        lambda: files.remove("/data/a"),
        lambda: file.read(0, 1),
    ):
        with pytest.raises(OSError) as error:
            use()
        assert number_of(error) == errno.EROFS
    file.close()
    files.mend()
    assert content_of(files, "/data/a") == b""


def failing_write(seed, error):
    memory, [file] = memory_with("/data/a")
    file.close()
    memory.sync_directory("/data")
    files = FailingFiles(memory, random.Random(seed), fails_at=1, error=error)
    with pytest.raises(OSError):
        files.open("/data/a", True).write(0, [b"a", b"bc"], True)
    return memory


def test_a_failing_write_may_have_written_any_first_part():
    written = {failing_write(seed, errno.EIO).read_all("/data/a") for seed in SEEDS}
    assert written == {b"", b"a", b"ab", b"abc"}


def test_a_failing_write_may_be_durable_or_not():
    whole = [
        memory
        for memory in (failing_write(seed, errno.EIO) for seed in SEEDS)
        if memory.sizes()["/data/a"] == 3
    ]
    always_there = [outcomes(memory) == {b"abc"} for memory in whole[:20]]
    assert any(always_there) and not all(always_there)


def test_a_write_to_a_read_only_file_system_does_nothing():
    assert {failing_write(seed, errno.EROFS).read_all("/data/a") for seed in SEEDS} == {b""}


@pytest.mark.parametrize(("error", "sizes"), [(errno.EIO, {0, 3}), (errno.EROFS, {3})])
def test_a_failing_truncate_may_be_done_or_not(error, sizes):
    seen = set()
    for seed in SEEDS:
        memory, [file] = memory_with("/data/a")
        file.write(0, [b"abc"], False)
        files = FailingFiles(memory, random.Random(seed), fails_at=1, error=error)
        with pytest.raises(OSError):
            files.open("/data/a", True).truncate(0)
        seen.add(file.size())
    assert seen == sizes


@pytest.mark.parametrize(("error", "synced"), [(errno.EIO, {True, False}), (errno.EROFS, {False})])
def test_a_failing_sync_of_a_directory_may_be_done_or_not(error, synced):
    seen = set()
    for seed in range(30):
        memory, _ = memory_with("/data/a")
        with pytest.raises(OSError):
            FailingFiles(memory, random.Random(seed), fails_at=0, error=error).sync_directory("/data")
        seen.add(names_after_power_loss(memory) == {("a",)})
    assert seen == synced


def test_errors_of_the_file_system_itself_are_told_and_are_no_failures():
    files = FailingFiles(MemoryFiles())
    with pytest.raises(FileNotFoundError):
        files.remove("/none")
    files.lock("/lock", "me")
    with pytest.raises(InUse):
        files.lock("/lock", "another")
    assert files.log == ["remove /none: ENOENT", "lock /lock", "lock /lock: InUse"]
    assert not files.failed
