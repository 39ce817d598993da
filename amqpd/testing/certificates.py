"""Certificates for tests: an authority that issues whatever a test wants, good or bad; needs the package cryptography."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
LOCALHOST = (x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")))


def named(common_name: str) -> x509.Name:
    """`CN=common_name`"""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


class Issued:
    """A certificate and its key, in files."""

    def __init__(self, certificate: x509.Certificate, certfile: Path, keyfile: Path) -> None:
        self.certificate = certificate
        self.certfile = certfile
        self.keyfile = keyfile

    def der(self) -> bytes:
        """The certificate's bytes."""
        return self.certificate.public_bytes(Encoding.DER)


class Authority:
    """Signs certificates, with files in a directory of the test's; with `above` it is an intermediate one."""

    def __init__(self, directory: Path, name: str = "authority", above: Authority | None = None) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.name = named(name)
        self.certificate = self._signed(
            self.name, self._key, above or self, 3650 * DAY, [(x509.BasicConstraints(True, None), True)]
        )
        self.above = above
        self.cacertfile = directory / f"{name}.pem"
        self.cacertfile.write_bytes(self.certificate.public_bytes(Encoding.PEM))

    def issue(
        self,
        subject: str | x509.Name,
        *,
        file: str = "",
        names: Sequence[x509.GeneralName] = (),
        valid: datetime.timedelta = DAY,
        password: str | None = None,
        for_servers_only: bool = False,
    ) -> Issued:
        """A new certificate, valid for so long from now; less than nothing is one that has expired.

        Its file has the authorities between it and the root too.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        extensions: list[tuple[x509.ExtensionType, bool]] = [(x509.BasicConstraints(False, None), True)]
        if names:
            extensions.append((x509.SubjectAlternativeName(names), False))
        if for_servers_only:
            extensions.append((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False))
        name = named(subject) if isinstance(subject, str) else subject
        certificate = self._signed(name, key, self, valid, extensions)
        file = file or str(subject)
        certfile, keyfile = self._directory / f"{file}.pem", self._directory / f"{file}.key"
        chain = [certificate]
        authority = self
        while authority.above is not None:
            chain.append(authority.certificate)
            authority = authority.above
        certfile.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in chain))
        encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        keyfile.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
        return Issued(certificate, certfile, keyfile)

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        by: Authority,
        valid: datetime.timedelta,
        extensions: list[tuple[x509.ExtensionType, bool]],
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(by.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 4000 * DAY)
            .not_valid_after(now + valid)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(by._key, SHA256())
