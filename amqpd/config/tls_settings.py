"""The settings of TLS: each declared once, for every listener that has it."""

from dataclasses import dataclass
from pathlib import Path

from amqpd.config.kinds import LOOPBACK, Hosts
from amqpd.config.setting import setting


@dataclass(frozen=True)
class TlsSettings:
    """Certificates, and what else TLS needs on one side of a listener."""

    certfile: Path | None = setting(
        "certfile",
        None,
        "File with the certificate for {what}, and those between it and the root (PEM).",
        reloadable=True,
    )
    keyfile: Path | None = setting(
        "keyfile",
        None,
        "File with the key of the certificate, unless that is in the same file (PEM).",
        reloadable=True,
    )
    password: str | None = setting(
        "password",
        None,
        "Password that the key is encrypted with.",
        reloadable=True,
    )
    cacertfile: Path | None = setting(
        "cacertfile",
        None,
        "File with the authorities whose certificates {clients} may have (PEM).",
        reloadable=True,
    )
    verify: str = setting(
        "verify",
        "verify_none",
        "Whether {clients} are asked for a certificate, which must then be good.",
        choices=("verify_none", "verify_peer"),
        reloadable=True,
    )
    fail_if_no_peer_cert: bool = setting(
        "fail_if_no_peer_cert",
        False,
        "Refuse {clients} that have no certificate; needs verify_peer.",
        reloadable=True,
    )
    depth: int = setting(
        "depth",
        10,
        "Most certificates between {a_client} and the root.",
        "certificates",
        minimum=0,
        maximum=255,
        reloadable=True,
    )
    versions: tuple[str, ...] = setting(
        "versions.*",
        ("tlsv1.3", "tlsv1.2"),
        "Versions of TLS{for_what}: tlsv1.3, tlsv1.2, tlsv1.1, tlsv1.",
        reloadable=True,
    )
    ciphers: tuple[str, ...] = setting(
        "ciphers.*",
        (),
        "Cipher suites for {what}, as in ssl_options.ciphers.",
        reloadable=True,
    )
    honor_cipher_order: bool = setting(
        "honor_cipher_order",
        False,
        "Choose cipher suites{for_what} in our order rather than in the client's.",
        reloadable=True,
    )


@dataclass(frozen=True)
class AmqpTlsSettings(TlsSettings):
    """TLS for AMQP."""

    ciphers: tuple[str, ...] = setting(
        "ciphers.*",
        (),
        "Cipher suites of TLS 1.2 and older, by OpenSSL's names, instead of its default; none of TLS 1.3 among them "
        "(TLS_...) turns TLS 1.3 off, and one of them allows all of its suites.",
        reloadable=True,
    )
    dhfile: Path | None = setting(
        "dhfile",
        None,
        "File with parameters for Diffie-Hellman in TLS 1.2 (PEM).",
        reloadable=True,
    )


@dataclass(frozen=True)
class _TlsAddress:
    host: Hosts = setting(
        "ip",
        LOOPBACK,
        "Addresses to serve {what} on over TLS; localhost is 127.0.0.1 and ::1.",
    )
    port: int | None = setting(
        "port",
        None,
        "TCP port {of_what} over TLS, {port} if there is a certificate for it; 0 lets the system choose.",
        minimum=0,
        maximum=65535,
    )


@dataclass(frozen=True)
class HttpsSettings(TlsSettings, _TlsAddress):
    """TLS for a service over HTTP; where it listens comes first."""

    def is_wanted(self) -> bool:
        """Whether the service listens over TLS."""
        return self.port is not None or self.certfile is not None
