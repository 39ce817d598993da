import pytest

from amqpd.config.kinds import Watermark, expand_hosts, read_size


def test_an_address_is_listened_on_once():
    assert expand_hosts(("::1", "localhost", "::1")) == ("::1", "127.0.0.1")


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("7", 7),
        ("1k", 1024),
        ("1K", 1024),
        ("1kiB", 1024),
        ("1KiB", 1024),
        ("1kB", 1000),
        ("1KB", 1000),
        ("1Kb", 1000),
        ("1kb", 1000),
        ("3m", 3 * 1024**2),
        ("3M", 3 * 1024**2),
        ("3MiB", 3 * 1024**2),
        ("3MIB", 3 * 1024**2),
        ("3mib", 3 * 1024**2),
        ("3MB", 3_000_000),
        ("3mb", 3_000_000),
        ("2G", 2 * 1024**3),
        ("2GiB", 2 * 1024**3),
        ("2GB", 2 * 10**9),
        ("2T", 2 * 1024**4),
        ("2TB", 2 * 10**12),
    ],
)
def test_sizes_have_rabbitmqs_units(text: str, size_bytes: int):
    assert read_size(text) == size_bytes


@pytest.mark.parametrize(
    "text", ["", "k", "-1", "1 k", " 1", "1k\n", "1B", "1mB", "1miB", "1Kib", "1kk", "1.0", "0x1", "1_0", "٥"]
)
def test_a_size_in_no_unit_of_rabbitmqs_is_refused(text: str):
    with pytest.raises(ValueError, match="is not a size in bytes"):
        read_size(text)


def test_a_watermark_is_a_size_or_follows_the_memory():
    assert Watermark(size_bytes=7).limit_bytes(100) == 7
    assert Watermark(fraction=0.4).limit_bytes(101) == 40
    assert Watermark(fraction=1.5).limit_bytes(100) == 150
    assert Watermark(size_bytes=0).limit_bytes(100) == Watermark(fraction=0.0).limit_bytes(100) == 0


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"size_bytes": 1, "fraction": 0.5},
        {"size_bytes": -1},
        {"fraction": -0.1},
        {"fraction": float("inf")},
        {"fraction": float("nan")},
    ],
)
def test_a_watermark_that_says_nothing_or_nonsense_is_refused(values: dict[str, float]):
    with pytest.raises(ValueError, match="a watermark is"):
        Watermark(**values)  # type: ignore[arg-type]
