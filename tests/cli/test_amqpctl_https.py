"""amqpctl over HTTPS: whom it trusts, and as whom it comes."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from amqpd.cli.amqpctl import main
from amqpd.testing.certificates import LOCALHOST, Authority, Issued
from amqpd.testing.running import BrokerInThread, broker_in_thread

Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(directory: Path) -> Authority:
    return Authority(directory)


def broker_with(certificate: Issued, **options: object) -> AbstractContextManager[BrokerInThread]:
    """A broker whose API is there over HTTPS alone, with this certificate."""
    return broker_in_thread(
        management=True,
        management_tcp=False,
        management_ssl_host=("127.0.0.1",),
        management_ssl_port=0,
        management_ssl_certfile=certificate.certfile,
        management_ssl_keyfile=certificate.keyfile,
        **options,
    )


@pytest.fixture(scope="module")
def broker(authority: Authority) -> Iterator[BrokerInThread]:
    """One that lets in whoever has a certificate of its authority."""
    with broker_with(
        authority.issue("localhost", names=LOCALHOST),
        management_ssl_cacertfile=authority.cacertfile,
        management_ssl_verify="verify_peer",
        management_ssl_fail_if_no_peer_cert=True,
    ) as running:
        yield running


@pytest.fixture
def run(broker: BrokerInThread, authority: Authority, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command as somebody with a certificate: its exit status and all that it says."""
    client = authority.issue("client")
    own = ["--ssl-cert-file", str(client.certfile), "--ssl-key-file", str(client.keyfile)]

    def run(*words: str, with_certificate: bool = True) -> tuple[int, str]:
        status = main(["list_vhosts", "-s", *(own if with_certificate else []), *words], "amqpctl")
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return run


@pytest.fixture
def url(broker: BrokerInThread) -> str:
    return f"https://localhost:{broker.management_ssl_port}"


def test_an_authority_can_be_trusted(run: Run, url: str, authority: Authority):
    assert run("--url", url, "--ssl-ca-cert-file", str(authority.cacertfile)) == (0, "/\n")


def test_the_url_can_have_the_user(run: Run, url: str, authority: Authority):
    trusting = ("--ssl-ca-cert-file", str(authority.cacertfile))
    as_user = url.replace("//", "//{}@")
    assert run("--url", as_user.format("guest:gue%73t"), *trusting) == (0, "/\n")
    status, said = run("--url", as_user.format("guest:other"), *trusting)
    assert (status, "user 'guest' is refused" in said) == (69, True)
    assert (
        run("--url", as_user.format("nobody:x"), "--username", "guest", "--password", "guest", *trusting)[0]
        == 0
    )


def test_the_url_can_come_from_the_environment(
    run: Run, url: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AMQPCTL_URL", url)
    assert run("--ssl-ca-cert-file", str(authority.cacertfile)) == (0, "/\n")
    assert run("--host", "127.0.0.1", "--port", "1")[0] == 69


def test_an_unknown_authority_is_not_trusted_unless_told(run: Run, url: str):
    status, said = run("--url", url)
    assert (status, "certificate verify failed" in said) == (69, True)
    assert run("--url", url, "--ssl-insecure") == (0, "/\n")


def test_a_certificate_for_another_host_is_not_trusted(run: Run, authority: Authority):
    with broker_with(authority.issue("elsewhere")) as broker:
        at = f"https://127.0.0.1:{broker.management_ssl_port}"
        status, said = run("--url", at, "--ssl-ca-cert-file", str(authority.cacertfile))
        assert (status, "certificate verify failed" in said) == (69, True)


def test_who_has_no_certificate_is_not_let_in(run: Run, url: str):
    status, _ = run("--url", url, "--ssl-insecure", with_certificate=False)
    assert status == 69


@pytest.mark.parametrize("option", ["--ssl-ca-cert-file", "--ssl-cert-file"])
def test_a_file_that_is_not_there_is_named(run: Run, url: str, option: str):
    status, said = run("--url", url, option, "/nonono.pem", with_certificate=False)
    assert (status, "/nonono.pem: No such file or directory" in said) == (69, True)


@pytest.mark.parametrize(
    ("words", "mistake"),
    [
        (["--url", "ftp://localhost"], "url should be like https://host:15671"),
        (["--url", "localhost:15671"], "url should be like https://host:15671"),
        (["--url", "https://localhost:x"], "url should be like https://host:15671"),
        (["--url", "https://localhost/rabbit"], "url should be like https://host:15671"),
        (["--port", "65536"], "port '65536' is no port"),
        (["--port", "0"], "port '0' is no port"),
        (["--host", "a..b"], "host 'a..b' is no name of a host"),
    ],
)
def test_what_can_be_no_place_is_told(run: Run, words: list[str], mistake: str):
    status, said = run(*words)
    assert said.startswith(f"Error (argument validation): Bad argument: {mistake}\n")
    assert status == 65


def test_a_port_in_the_environment_that_is_none_is_told(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AMQPCTL_PORT", "x")
    status, said = run()
    assert (status, "port 'x' is no port" in said) == (65, True)
