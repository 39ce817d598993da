"""TLS: certificates that can be read again, whom a peer's certificate names, and why a handshake failed."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from amqpd.auth.certificate_names import CertificateLogin, MalformedCertificate
from amqpd.events import Events

VERSIONS: Final = {
    "tlsv1": ssl.TLSVersion.TLSv1,
    "tlsv1.1": ssl.TLSVersion.TLSv1_1,
    "tlsv1.2": ssl.TLSVersion.TLSv1_2,
    "tlsv1.3": ssl.TLSVersion.TLSv1_3,
}
"""As ssl_options.versions has them, oldest first."""
LEFT_OUT: Final = {
    "tlsv1": ssl.OP_NO_TLSv1,
    "tlsv1.1": ssl.OP_NO_TLSv1_1,
    "tlsv1.2": ssl.OP_NO_TLSv1_2,
    "tlsv1.3": ssl.OP_NO_TLSv1_3,
}
OLD_VERSIONS: Final = ("tlsv1", "tlsv1.1")
TLS_1_3_SUITE: Final = "TLS_"
"""How the names of the cipher suites of TLS 1.3 begin, of which OpenSSL offers all through Python."""


class TlsError(Exception):
    """TLS can't be set up; the message says which setting is to blame."""


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """RabbitMQ's ssl_options, ssl_cert_login_* and ssl_handshake_timeout."""

    certfile: Path | None = None
    keyfile: Path | None = None
    cacertfile: Path | None = None
    dhfile: Path | None = None
    password: str = ""
    verify_peer: bool = False
    fail_if_no_peer_cert: bool = False
    versions: tuple[str, ...] = ("tlsv1.3", "tlsv1.2")
    ciphers: tuple[str, ...] = ()
    depth: int = 10
    honor_cipher_order: bool = False
    handshake_timeout_s: float = 5.0
    login: CertificateLogin = field(default_factory=CertificateLogin)
    keys: str = "ssl_options"
    """What the names of the settings begin with, for errors."""


class Tls:
    """What connections over TLS are made with."""

    def __init__(self, options: TlsOptions) -> None:
        """Read the certificates. Raises TlsError."""
        self.options = options
        self.context: ssl.SSLContext = _context(options)

    def prepare(self, events: Events, options: TlsOptions | None = None) -> Callable[[], None]:
        """Read the certificates again, by other options if some are given; what gives them to new connections.

        Raises TlsError.
        """
        options = options or self.options
        return partial(self._use, options, _context(options), events)

    def _use(self, options: TlsOptions, context: ssl.SSLContext, events: Events) -> None:
        self.options = options
        self.context = context
        events.tell("info", "certificates reloaded", {"settings": options.keys})

    def user(self, stream: ssl.SSLObject | None) -> str | None:
        """The user that the peer's certificate names: empty if it names none, None without a verified certificate."""
        certificate = stream.getpeercert(binary_form=True) if stream and self.options.verify_peer else None
        if certificate is None:
            return None
        try:
            return self.options.login.user(certificate)
        except MalformedCertificate:
            return ""


class HandshakeRefused(ssl.SSLError):
    """We end the handshake; `alert` is what tells the peer why."""

    alert = b""


class _Stream(ssl.SSLObject):
    """Checks the length of the peer's chain of certificates, and keeps the alert that event loops don't send."""

    outgoing: ssl.MemoryBIO
    depth: int

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            refused = HandshakeRefused(error.errno, reason_of(error))
            refused.alert = self.outgoing.read()
            raise refused from None
        if self._intermediates() > self.depth:
            raise HandshakeRefused(ssl.SSL_ERROR_SSL, "certificate verify failed: certificate chain too long")

    def _intermediates(self) -> int:
        """Certificates between the peer's and the root. Python before 3.13 has no public way to ask."""
        ask = getattr(self, "get_verified_chain", None) or getattr(
            cast(Any, self)._sslobj, "get_verified_chain", None
        )
        chain = ask() if ask is not None and self.context.verify_mode != ssl.CERT_NONE else None
        return len(chain) - 2 if chain else 0


class _Context(ssl.SSLContext):
    """Makes streams that know where their output goes."""

    depth = 10

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *rest: Any, **more: Any
    ) -> ssl.SSLObject:
        stream = super().wrap_bio(incoming, outgoing, *rest, **more)
        assert isinstance(stream, _Stream)
        stream.outgoing = outgoing
        stream.depth = self.depth
        return stream


def _context(options: TlsOptions) -> ssl.SSLContext:
    context = _Context(ssl.PROTOCOL_TLS_SERVER)
    context.sslobject_class = _Stream
    context.depth = options.depth
    # A client that starts handshakes over and over costs much and gains nothing.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    _choose_versions(context, options)
    _choose_ciphers(context, options)
    _load(context, options)
    return context


def _choose_versions(context: ssl.SSLContext, options: TlsOptions) -> None:
    unknown = [version for version in options.versions if version not in VERSIONS]
    if unknown:
        raise TlsError(f"{options.keys}.versions: '{unknown[0]}' is none of {', '.join(VERSIONS)}")
    chosen = [version for version in VERSIONS if version in options.versions]
    if options.ciphers and not any(name.startswith(TLS_1_3_SUITE) for name in options.ciphers):
        chosen = [version for version in chosen if version != "tlsv1.3"]
    if not chosen:
        raise TlsError(
            f"{options.keys}.versions: no version is left that {options.keys}.ciphers has suites for"
        )
    with warnings.catch_warnings():
        # Whoever asks for an old version knows that it is old.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = VERSIONS[chosen[0]]
        context.maximum_version = VERSIONS[chosen[-1]]
        for version, option in LEFT_OUT.items():
            if version not in chosen:
                context.options |= option
    if chosen[0] in OLD_VERSIONS:
        # OpenSSL 3 does not have the signatures of these at any other level.
        context.set_ciphers("DEFAULT:@SECLEVEL=0")


def _choose_ciphers(context: ssl.SSLContext, options: TlsOptions) -> None:
    if options.honor_cipher_order:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    names = [name for name in options.ciphers if not name.startswith(TLS_1_3_SUITE)]
    for name in names:
        try:
            context.set_ciphers(name)
        except ssl.SSLError:
            raise TlsError(f"{options.keys}.ciphers: OpenSSL knows no cipher suite '{name}'") from None
    if names:
        level = ["@SECLEVEL=0"] if set(OLD_VERSIONS) & set(options.versions) else []
        context.set_ciphers(":".join(names + level))


def _load(context: ssl.SSLContext, options: TlsOptions) -> None:
    if options.certfile is None:
        raise TlsError(f"{options.keys}.certfile: a TLS listener needs a certificate")
    _check_readable(f"{options.keys}.certfile", options.certfile)
    _check_readable(f"{options.keys}.keyfile", options.keyfile)
    try:
        context.load_cert_chain(options.certfile, options.keyfile, lambda: options.password)
    except (ssl.SSLError, ValueError) as error:
        raise TlsError(_why_not_loaded(options, options.certfile, error)) from None
    if options.dhfile is not None:
        _check_readable(f"{options.keys}.dhfile", options.dhfile)
        try:
            context.load_dh_params(options.dhfile)  # type: ignore[arg-type]
        except ssl.SSLError as error:
            raise TlsError(f"{options.keys}.dhfile: {options.dhfile}: {reason_of(error)}") from None
    _load_authorities(context, options)


CERTIFICATE: Final = b"CERTIFICATE-----"
KEY: Final = b"PRIVATE KEY-----"
ENCRYPTED: Final = b"ENCRYPTED"


def _why_not_loaded(options: TlsOptions, certfile: Path, error: Exception) -> str:
    """What is wrong with a certificate and its key; of most of it OpenSSL says no more than that it is."""
    if CERTIFICATE not in certfile.read_bytes():
        return f"{options.keys}.certfile: {certfile}: there is no certificate in it (PEM)"
    key_setting = "certfile" if options.keyfile is None else "keyfile"
    keyfile = options.keyfile or certfile
    key = keyfile.read_bytes()
    if KEY not in key:
        return f"{options.keys}.{key_setting}: {keyfile}: there is no private key in it (PEM)"
    if ENCRYPTED in key and not getattr(error, "reason", None):
        why = "is not that of" if options.password else "is needed for"
        return f"{options.keys}.password: {why} the key in {keyfile}"
    with_key = "" if options.keyfile is None else f" with the key {keyfile}"
    return f"{options.keys}.certfile: {certfile}{with_key}: {reason_of(error)}"


def _load_authorities(context: ssl.SSLContext, options: TlsOptions) -> None:
    if options.fail_if_no_peer_cert and not options.verify_peer:
        raise TlsError(f"{options.keys}.fail_if_no_peer_cert: needs {options.keys}.verify = verify_peer")
    if options.verify_peer:
        if options.cacertfile is None:
            raise TlsError(f"{options.keys}.cacertfile: verify_peer needs the certificates of authorities")
        context.verify_mode = ssl.CERT_REQUIRED if options.fail_if_no_peer_cert else ssl.CERT_OPTIONAL
    if options.cacertfile is not None:
        _check_readable(f"{options.keys}.cacertfile", options.cacertfile)
        try:
            context.load_verify_locations(options.cacertfile)
        except ssl.SSLError as error:
            raise TlsError(f"{options.keys}.cacertfile: {options.cacertfile}: {reason_of(error)}") from None


def _check_readable(key: str, file: Path | None) -> None:
    if file is None:
        return
    try:
        with open(file, "rb") as opened:
            opened.read(1)
    except OSError as error:
        raise TlsError(f"{key}: {file}: {error.strerror}") from None


REASONS: Final = {
    "http request": "the client speaks HTTP, not TLS",
    "https proxy request": "the client speaks HTTP, not TLS",
    "wrong version number": "what the client speaks is not TLS",
    "unknown protocol": "what the client speaks is not TLS",
    "key values mismatch": "the key is that of another certificate",
}
"""What OpenSSL's words mean to whoever reads the log."""


def reason_of(error: Exception) -> str:
    """Why TLS failed, in few words."""
    if isinstance(error, HandshakeRefused):
        return str(error.args[1])
    if isinstance(error, TimeoutError) or "taking longer" in str(error):
        return "the handshake took too long"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError) and error.reason:
        words = error.reason.lower().replace("_", " ")
        return REASONS.get(words, words)
    if isinstance(error, ConnectionError):
        return "the client closed the connection"
    return str(error) or type(error).__name__
