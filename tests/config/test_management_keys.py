"""RabbitMQ's keys for where the management API is served: over TCP, over TLS, and by their older names."""

from pathlib import Path

import pytest

from amqpd.config.conf_format import Entry, parse
from amqpd.config.keys import read_keys

HTTPS = {"management_tcp": False}
"""What follows if a file names HTTPS alone."""


def read(text: str) -> dict[str, object]:
    entries = [entry for entry in parse(text.encode(), Path("f")) if isinstance(entry, Entry)]
    values, without_effect, mistakes = read_keys(entries)
    assert (without_effect, mistakes) == ({}, [])
    return values


def test_with_both_both_are_served():
    both = "management.tcp.port = 15672\nmanagement.ssl.port = 15671"
    assert read(both) == {"management_port": 15672, "management_ssl_port": 15671}


def test_whoever_says_so_has_http_too():
    values = read("management.ssl.port = 15671\namqpd.management.tcp = true")
    assert values == {"management_ssl_port": 15671, "management_tcp": True}


LISTENER = "management.listener.port = 1\nmanagement.listener.ip = 127.0.0.1"
OVER_TLS = f"{LISTENER}\nmanagement.listener.ssl = true\nmanagement.listener.ssl_opts.certfile = /c.pem"


def test_the_older_names_are_those_of_http():
    assert read(LISTENER) == {"management_port": 1, "management_host": ("127.0.0.1",)}
    assert read(f"{LISTENER}\nmanagement.listener.ssl = false") == read(LISTENER)


def test_or_of_https():
    tls = {
        "management_ssl_port": 1,
        "management_ssl_host": ("127.0.0.1",),
        "management_ssl_certfile": Path("/c.pem"),
    }
    assert read(OVER_TLS) == {**tls, **HTTPS}
    versions = "\nmanagement.listener.ssl_opts.versions.1 = tlsv1.3\nmanagement.listener.ssl_opts.versions.2 = tlsv1.2"
    assert read(OVER_TLS + versions)["management_ssl_versions"] == ("tlsv1.3", "tlsv1.2")


def test_beside_one_of_the_newer_names_they_are_the_other():
    values = read(f"{OVER_TLS}\nmanagement.tcp.port = 2")
    assert (values["management_port"], values["management_ssl_port"]) == (2, 1)
    assert "management_tcp" not in values
    values = read(f"{LISTENER}\nmanagement.ssl.port = 2")
    assert (values["management_port"], values["management_ssl_port"]) == (1, 2)
    assert "management_tcp" not in values


def test_beside_both_they_are_passed_over():
    values = read(f"{LISTENER}\nmanagement.ssl.port = 2\nmanagement.tcp.port = 3")
    assert values == {"management_port": 3, "management_ssl_port": 2}


@pytest.mark.parametrize(
    "text",
    [
        "management.ssl.port = 70000",
        "management.ssl.port = https",
        "management.ssl.verify = verify_all",
        "management.listener.ssl = maybe",
        "management.listener.port = x",
    ],
)
def test_what_a_key_cannot_be_is_a_mistake_with_its_place(text: str):
    entries = [entry for entry in parse(text.encode(), Path("f")) if isinstance(entry, Entry)]
    [mistake] = read_keys(entries)[2]
    assert mistake.startswith(f"f:1: {text.split(' = ')[0]}: ")
