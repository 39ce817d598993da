"""The header of the PROXY protocol, 1 and 2, in which a proxy says whose connection it passes on; without I/O.

https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt
"""

from __future__ import annotations

import ipaddress
from typing import Final, final

SIGNATURE_1: Final = b"PROXY "
SIGNATURE_2: Final = b"\r\n\r\n\x00\r\nQUIT\n"
END_1: Final = b"\r\n"
SHORTEST_BYTES: Final = 15
"""`PROXY UNKNOWN` with its end; every header of version 2 is longer."""
LONGEST_1_BYTES: Final = 107
HEAD_2_BYTES: Final = 16
LONGEST_2_BYTES: Final = 4096
"""Address and all that a proxy adds; the specification asks for 536 at least."""
LOCAL: Final = 0x20
PROXY: Final = 0x21
ADDRESS_BYTES: Final[dict[int, int]] = {0x11: 4, 0x21: 16}
"""Of TCP over IPv4 and IPv6. Of anything else the addresses mean nothing to us."""
FAMILIES: Final = (0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32)

Address = tuple[str, int]


class MalformedHeader(ValueError):
    """What a peer sent is no header of the PROXY protocol."""


@final
class ProxyHeader:
    """What a proxy said; `client` and `server` are None where it said nothing, which `is_local` says is no client's."""

    def __init__(
        self, client: Address | None = None, server: Address | None = None, is_local: bool = False
    ) -> None:
        self.client = client
        self.server = server
        self.is_local = is_local
        """Whether the proxy speaks for itself, to see whether we are there."""


def missing_bytes(data: bytes) -> int:
    """How many bytes belong to the header at least, beyond those that are there; 0 if it is complete.

    Whoever reads no more than that reads nothing of what follows. Raises MalformedHeader.
    """
    if data.startswith(SIGNATURE_2):
        return _missing_bytes_2(data)
    if data.startswith(SIGNATURE_1):
        return _missing_bytes_1(data)
    if not SIGNATURE_1.startswith(data) and not SIGNATURE_2.startswith(data):
        raise MalformedHeader("there is no PROXY protocol header")
    return SHORTEST_BYTES - len(data)


def read_header(data: bytes) -> ProxyHeader:
    """Read a header that is complete. Raises MalformedHeader."""
    if missing_bytes(data):
        raise MalformedHeader("the PROXY protocol header is cut off")
    return _read_2(data) if data.startswith(SIGNATURE_2) else _read_1(data)


# Version 1: a line of text


def _missing_bytes_1(data: bytes) -> int:
    end = data.find(END_1)
    if end >= 0 and end + len(END_1) == len(data) <= LONGEST_1_BYTES:
        return 0
    if end >= 0 or len(data) >= LONGEST_1_BYTES:
        raise MalformedHeader("the PROXY protocol header has no end")
    missing = 1 if data.endswith(END_1[:1]) else len(END_1)
    return max(missing, SHORTEST_BYTES - len(data))


def _read_1(data: bytes) -> ProxyHeader:
    try:
        words = data[: -len(END_1)].decode("ascii").split(" ")
    except UnicodeDecodeError:
        raise MalformedHeader("the PROXY protocol header is not text") from None
    if words[1] == "UNKNOWN":
        return ProxyHeader()
    if words[1] not in ("TCP4", "TCP6") or len(words) != 6:
        raise MalformedHeader("the PROXY protocol header does not have protocol, addresses and ports")
    version = int(words[1][-1])
    client, server = (_host(version, host) for host in words[2:4])
    return ProxyHeader((client, _port(words[4])), (server, _port(words[5])))


def _host(version: int, text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise MalformedHeader("the PROXY protocol header has an address that is none") from None
    if address.version != version or "%" in text:
        raise MalformedHeader(f"the PROXY protocol header has an address that is not IPv{version}")
    return str(address)


def _port(text: str) -> int:
    if not text.isdecimal() or len(text) > 5 or text != str(int(text)) or int(text) > 65535:
        raise MalformedHeader("the PROXY protocol header has a port that is none")
    return int(text)


# Version 2: binary


def _missing_bytes_2(data: bytes) -> int:
    if len(data) < HEAD_2_BYTES:
        return HEAD_2_BYTES - len(data)
    size = HEAD_2_BYTES + int.from_bytes(data[14:16], "big")
    if size > LONGEST_2_BYTES:
        raise MalformedHeader(f"the PROXY protocol header has {size} bytes, more than {LONGEST_2_BYTES}")
    if len(data) > size:
        raise MalformedHeader("the PROXY protocol header has no end")
    return size - len(data)


def _read_2(data: bytes) -> ProxyHeader:
    command, family = data[12], data[13]
    if command == LOCAL:
        return ProxyHeader(is_local=True)
    if command != PROXY:
        raise MalformedHeader(f"the PROXY protocol header has the unknown version or command {command:#04x}")
    if family not in FAMILIES:
        raise MalformedHeader(f"the PROXY protocol header has the unknown protocol {family:#04x}")
    size = ADDRESS_BYTES.get(family)
    if size is None:
        return ProxyHeader()
    if len(data) < HEAD_2_BYTES + 2 * size + 4:
        raise MalformedHeader("the PROXY protocol header is too short for its addresses")
    ports = HEAD_2_BYTES + 2 * size
    client, server = (
        str(ipaddress.ip_address(data[start : start + size])) for start in (HEAD_2_BYTES, HEAD_2_BYTES + size)
    )
    return ProxyHeader(
        (client, int.from_bytes(data[ports : ports + 2], "big")),
        (server, int.from_bytes(data[ports + 2 : ports + 4], "big")),
    )
