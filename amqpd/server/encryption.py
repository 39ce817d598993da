"""What a connection is encrypted with, as RabbitMQ tells it: by Erlang's names for what OpenSSL calls otherwise."""

from __future__ import annotations

import ssl
from functools import lru_cache

from amqpd.auth.certificate_names import MalformedCertificate, names_of, validity_of
from amqpd.protocol.parameters import Encryption

ANY = "any"
AEAD = "aead"
CERTIFICATES_REMEMBERED = 256
WITHOUT_MAC = ("gcm", "ccm", "ccm_8", "poly1305")
KEY_EXCHANGES = ("ECDHE-RSA", "ECDHE-ECDSA", "ECDHE-PSK", "DHE-RSA", "DHE-DSS", "DHE-PSK", "RSA-PSK", "PSK")


def encryption_of(stream: ssl.SSLObject) -> Encryption:
    """What a stream is encrypted with, and the certificate that the client has shown."""
    name, protocol, _bits = stream.cipher() or ("", "", 0)
    certificate = stream.getpeercert(binary_form=True)
    return Encryption(protocol.lower(), *suite(name), *_certificate(certificate or b""))


def suite(name: str) -> tuple[str, str, str]:
    """Key exchange, cipher and MAC of a suite: `ecdhe_rsa`, `aes_256_gcm`, `aead` of ECDHE-RSA-AES256-GCM-SHA384."""
    if name.startswith("TLS_"):
        cipher = name.removeprefix("TLS_").rpartition("_SHA")[0].lower()
        return ANY, cipher, AEAD
    key_exchange = next((each for each in KEY_EXCHANGES if name.startswith(each + "-")), "")
    rest = name.removeprefix(key_exchange + "-").lower().replace("-", "_")
    for size in ("128", "256"):
        rest = rest.replace(f"aes{size}", f"aes_{size}")
    rest = rest.replace("ccm8", "ccm_8")
    cipher, separator, mac = rest.rpartition("_sha")
    if not separator:
        cipher, mac = rest, ""
    if cipher.endswith(WITHOUT_MAC):
        mac = AEAD
    else:
        cipher, mac = cipher.removesuffix("_cbc") + "_cbc", f"sha{mac}"
    return key_exchange.lower().replace("-", "_") or "rsa", cipher, mac


@lru_cache(CERTIFICATES_REMEMBERED)
def _certificate(certificate: bytes) -> tuple[str, str, str]:
    """Subject, issuer and validity of a certificate (DER)."""
    if not certificate:
        return "", "", ""
    try:
        subject, issuer = names_of(certificate)
        begins, ends = validity_of(certificate)
    except MalformedCertificate:
        return "", "", ""
    return subject, issuer, f"{_written(begins)} - {_written(ends)}"


def _written(time: str) -> str:
    """`2026-01-31T23:59:59Z` of 20260131235959."""
    return f"{time[:4]}-{time[4:6]}-{time[6:8]}T{time[8:10]}:{time[10:12]}:{time[12:14]}Z"
