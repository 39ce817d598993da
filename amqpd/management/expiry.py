"""When the certificates in a file expire."""

from __future__ import annotations

import binascii
import datetime
import re
from base64 import b64decode
from pathlib import Path

from amqpd.auth.certificate_names import MalformedCertificate, validity_of

CERTIFICATES = re.compile(b"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)


def expiries(file: Path, until_s: float, now_s: float) -> list[str]:
    """What is wrong with the certificates in a PEM file until a moment: when those expire that do, or another reason."""
    try:
        content = file.read_bytes()
    except OSError as error:
        return [f"The certificate file cannot be read: {error.strerror}"]
    found = [_expiry(body, until_s, now_s) for body in CERTIFICATES.findall(content)]
    if not found:
        return ["The certificate file provided does not contain any PEM entry."]
    return [expiry for expiry in found if expiry]


def _expiry(body: bytes, until_s: float, now_s: float) -> str:
    """When a certificate expires, if it does until then, as RabbitMQ 3.10 writes it; or what is wrong with it."""
    try:
        begins, ends = map(_moment, validity_of(b64decode(body)))
    except (MalformedCertificate, binascii.Error, ValueError):
        return "There is a certificate that cannot be read"
    if begins.timestamp() > now_s:
        return "Certificate is not yet valid"
    if ends.timestamp() >= until_s:
        return ""
    return f"{ends.year}-{ends:%m-%d} {ends.hour}:{ends:%M:%S}"


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=datetime.UTC)
