"""The user whom a peer's certificate names, written exactly as RabbitMQ 3.10 writes it (rabbit_ssl, rabbit_cert_info).

And how long a certificate is valid.
"""

from __future__ import annotations

from typing import Final, final

from amqpd.wire.fields import text_of

DISTINGUISHED_NAME: Final = "distinguished_name"
COMMON_NAME: Final = "common_name"
SUBJECT_ALTERNATIVE_NAMES: Final = ("subject_alternative_name", "subject_alt_name")
SOURCES: Final = (DISTINGUISHED_NAME, COMMON_NAME, *SUBJECT_ALTERNATIVE_NAMES)
"""Values of ssl_cert_login_from."""

SAN_TAGS: Final[dict[str, int]] = {"dns": 0x82, "ip": 0x87, "email": 0x81, "uri": 0x86, "other_name": 0xA0}
"""Values of ssl_cert_login_san_type, with their tags in a certificate (RFC 5280, 4.2.1.6)."""

SUBJECT_ALT_NAME: Final = "2.5.29.17"
COMMON_NAME_TYPE: Final = "2.5.4.3"
EMAIL_ADDRESS: Final = "1.2.840.113549.1.9.1"
SHORT_NAMES: Final[dict[str, str]] = {
    "2.5.4.4": "SN",
    "2.5.4.42": "GIVENNAME",
    "2.5.4.43": "INITIALS",
    "2.5.4.44": "GENERATIONQUALIFIER",
    "2.5.4.3": "CN",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "TITLE",
    "2.5.4.6": "C",
    "2.5.4.5": "SERIALNUMBER",
    "2.5.4.65": "PSEUDONYM",
    "0.9.2342.19200300.100.1.25": "DC",
    EMAIL_ADDRESS: "EMAILADDRESS",
    "0.9.2342.19200300.100.1.1": "UID",
}
"""All others are written as numbers with dots, STREET (2.5.4.9) too, which RabbitMQ means to name and does not."""
DECODED: Final = frozenset({*SHORT_NAMES, "2.5.4.41", "2.5.4.46"} - {"0.9.2342.19200300.100.1.1"})
"""Types whose values Erlang's library reads, whatever kind of string they are."""

OBJECT_IDENTIFIER: Final = 0x06
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18
VERSION: Final = 0xA0
EXTENSIONS: Final = 0xA3
ENCODINGS: Final[dict[int, str]] = {
    0x0C: "utf-8",
    0x13: "ascii",
    0x14: "latin-1",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}
"""Kinds of strings that names are made of: UTF8String, PrintableString, TeletexString, UniversalString, BMPString."""
ESCAPED: Final = b'"+,;<>\\'
ESCAPED_AT_START: Final = b" #"


class MalformedCertificate(ValueError):
    """Bytes that are no X.509 certificate."""


@final
class CertificateLogin:
    """Which part of a certificate is the user's name."""

    def __init__(self, source: str = DISTINGUISHED_NAME, san_type: str = "dns", san_index: int = 0) -> None:
        self.source = source
        self.san_type = san_type
        self.san_index = san_index

    def user(self, certificate: bytes) -> str:
        """The user that a certificate (DER) names; empty if it names none. Raises MalformedCertificate."""
        fields = _fields_of(certificate)
        if self.source == DISTINGUISHED_NAME:
            return text_of(distinguished_name(fields.subject))
        if self.source == COMMON_NAME:
            return text_of(b",".join(_values_of(fields.subject, COMMON_NAME_TYPE)))
        names = [name for tag, name in fields.alternative_names if tag == SAN_TAGS[self.san_type]]
        return text_of(names[self.san_index]) if self.san_index < len(names) else ""


@final
class Attribute:
    """One type and value of a name: `CN=anna`."""

    def __init__(self, type: str, tag: int, content: bytes, encoded: bytes) -> None:
        self.type = type
        self.tag = tag
        self.content = content
        self.encoded = encoded

    def value(self) -> bytes:
        """The value in UTF-8, or Erlang's way to write bytes it can't read."""
        encoding = ENCODINGS.get(self.tag)
        if encoding is None and self.type not in DECODED:
            return b"<<" + b",".join(str(octet).encode() for octet in self.encoded) + b">>"
        if self.type == EMAIL_ADDRESS and encoding == "utf-8":
            # Erlang hands this one over as characters, and RabbitMQ takes each for an octet.
            return self.content.decode("utf-8", "replace").encode("latin-1", "replace")
        if encoding is None or encoding == "utf-8":
            return self.content
        return self.content.decode(encoding, "replace").encode()


@final
class _Fields:
    """What is read of a certificate."""

    def __init__(self, subject: list[list[Attribute]], alternative_names: list[tuple[int, bytes]]) -> None:
        self.subject = subject
        self.alternative_names = alternative_names


@final
class _Element:
    """An element of DER: its tag, what is in it, and all of it."""

    def __init__(self, tag: int, content: bytes, encoded: bytes) -> None:
        self.tag = tag
        self.content = content
        self.encoded = encoded


# Writing names


def distinguished_name(subject: list[list[Attribute]]) -> bytes:
    """`CN=anna,O=Example`: last part first, as in RFC 4514."""
    return b",".join(b"+".join(_written(attribute) for attribute in part) for part in reversed(subject))


def _written(attribute: Attribute) -> bytes:
    name = SHORT_NAMES.get(attribute.type, attribute.type)
    return name.encode() + b"=" + _escaped(attribute.value())


def _escaped(value: bytes) -> bytes:
    """RFC 4514, 2.4; and everything that is not printable ASCII, or a tilde, as hexadecimal numbers."""
    written = bytearray()
    last = len(value) - 1
    for place, octet in enumerate(value):
        needs_escape = (
            octet in ESCAPED
            or (place == 0 and octet in ESCAPED_AT_START)
            or (place == last and octet == 0x20)
        )
        if needs_escape:
            written += b"\\"
        if not needs_escape and (octet < 32 or octet >= 126):
            written += b"\\%02X" % octet
        else:
            written.append(octet)
    return bytes(written)


def _values_of(subject: list[list[Attribute]], type: str) -> list[bytes]:
    return [attribute.value() for part in subject for attribute in part if attribute.type == type]


# Reading certificates


def _fields_of(certificate: bytes) -> _Fields:
    """Subject and alternative names. Raises MalformedCertificate."""
    signed = _signed(certificate)
    subject = _parts_of(signed[4])
    names: list[tuple[int, bytes]] = []
    for element in signed[6:]:
        if element.tag == EXTENSIONS:
            names = _alternative_names(element)
    return _Fields(subject, names)


def _signed(certificate: bytes) -> list[_Element]:
    """What is signed: serial number, signature, issuer, validity, subject, key, and more. Raises MalformedCertificate."""
    whole = _elements(certificate, 1)[0]
    signed = _elements(_elements(whole.content, 1)[0].content, 0)
    if signed and signed[0].tag == VERSION:
        del signed[0]
    if len(signed) < 6:
        raise MalformedCertificate("a certificate has six fields at least")
    return signed


def validity_of(certificate: bytes) -> tuple[str, str]:
    """When a certificate (DER) begins and ends to be valid, in UTC as `20260131235959`. Raises MalformedCertificate."""
    times = _elements(_signed(certificate)[3].content, 2)
    return _time_of(times[0]), _time_of(times[1])


def names_of(certificate: bytes) -> tuple[str, str]:
    """Whom a certificate (DER) is of, and who has issued it, as distinguished names. Raises MalformedCertificate."""
    signed = _signed(certificate)
    return _name_of(signed[4]), _name_of(signed[2])


def _name_of(element: _Element) -> str:
    return text_of(distinguished_name(_parts_of(element)))


def _parts_of(element: _Element) -> list[list[Attribute]]:
    parts: list[list[Attribute]] = []
    for part in _elements(element.content, 0):
        parts.append([_attribute(each) for each in _elements(part.content, 0)])
    return parts


def _time_of(element: _Element) -> str:
    text = element.content.decode("ascii", "replace").removesuffix("Z")
    if element.tag == UTC_TIME:
        # RFC 5280, 4.1.2.5.1
        text = ("19" if text[:2] >= "50" else "20") + text
    if element.tag not in (UTC_TIME, GENERALIZED_TIME) or len(text) != 14 or not text.isdigit():
        raise MalformedCertificate("a time is none")
    return text


def _attribute(element: _Element) -> Attribute:
    parts = _elements(element.content, 2)
    return Attribute(_dotted(parts[0]), parts[1].tag, parts[1].content, parts[1].encoded)


def _alternative_names(extensions: _Element) -> list[tuple[int, bytes]]:
    for extension in _elements(_elements(extensions.content, 1)[0].content, 0):
        parts = _elements(extension.content, 2)
        if _dotted(parts[0]) == SUBJECT_ALT_NAME:
            names = _elements(parts[-1].content, 1)[0]
            return [(name.tag, _general_name(name)) for name in _elements(names.content, 0)]
    return []


def _general_name(name: _Element) -> bytes:
    """The value; of an otherName its text, or nothing if it is none."""
    if name.tag != SAN_TAGS["other_name"]:
        return name.content
    value = _elements(_elements(name.content, 2)[1].content, 1)[0]
    return Attribute("", value.tag, value.content, value.encoded).value() if value.tag in ENCODINGS else b""


def _dotted(element: _Element) -> str:
    """An object identifier as `2.5.4.3`. Raises MalformedCertificate."""
    if element.tag != OBJECT_IDENTIFIER or not element.content:
        raise MalformedCertificate("an object identifier is missing")
    numbers: list[int] = []
    number = 0
    for octet in element.content:
        number = number << 7 | octet & 0x7F
        if octet < 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2) if numbers else 0
    head = [first, numbers[0] - 40 * first] if numbers else []
    return ".".join(str(each) for each in head + numbers[1:])


def _elements(data: bytes, at_least: int) -> list[_Element]:
    """The elements that follow each other in DER. Raises MalformedCertificate."""
    elements: list[_Element] = []
    place = 0
    while place < len(data):
        start = place
        if place + 2 > len(data):
            raise MalformedCertificate("an element is cut off")
        tag, size = data[place], data[place + 1]
        place += 2
        if size >= 0x80:
            octets = size & 0x7F
            size = int.from_bytes(data[place : place + octets], "big")
            place += octets
        if place + size > len(data):
            raise MalformedCertificate("an element is longer than what it is in")
        elements.append(_Element(tag, data[place : place + size], data[start : place + size]))
        place += size
    if len(elements) < at_least:
        raise MalformedCertificate("an element is missing")
    return elements
