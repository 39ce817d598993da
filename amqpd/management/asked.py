"""One request: who asks, for what, and with which values."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request

from amqpd.auth.users import User
from amqpd.broker.vhost import VirtualHost
from amqpd.management.answers import Missing, bad_request, vhost_not_found
from amqpd.management.reading import read_json
from amqpd.management.site import Site

DOUBLY_ENCODED = (
    "invalid payload: the request body JSON-decoded to a string. Is the input doubly-JSON-encoded?"
)
NOTHING_SAID = (b"", b"null", b"undefined")
TRUTH = {True: True, False: False, "true": True, "false": False}


class Asked:
    """A request that has found its resource; `names` are what stands in its path where the resource has `:name`."""

    def __init__(self, site: Site, request: Request, names: dict[str, str], user: User) -> None:
        self.site = site
        self.request = request
        self.names = names
        self.user = user
        self.body = b""
        self.answer_headers: dict[str, str] = {}
        """What the answer's headers say besides."""
        self._query: dict[str, str] = {}
        query: bytes = request.scope.get("query_string", b"")
        for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
            self._query.setdefault(name, value)

    def query(self, name: str) -> str | None:
        """A value of the query, or None."""
        return self._query.get(name)

    def is_set(self, name: str) -> bool:
        """Whether the query has this as `true`."""
        return self._query.get(name) == "true"

    def header(self, name: str, otherwise: str = "") -> str:
        """The value of a header, which is UTF-8 as in RabbitMQ."""
        return self.request.headers.get(name, otherwise).encode("latin-1").decode("utf-8", "surrogateescape")

    def without_stats(self) -> bool:
        """Whether only what objects are is wanted, and nothing that was counted."""
        return self.is_set("disable_stats")

    def vhost_name(self) -> str | None:
        """The virtual host that it is about: in the path, or else in the header X-Vhost; None is all."""
        name = self.names.get("vhost")
        return name if name is not None else self.header("x-vhost") or None

    def vhost(self) -> VirtualHost:
        """That virtual host. Raises Missing."""
        vhost = self.known_vhost()
        if vhost is None:
            raise Missing()
        return vhost

    def known_vhost(self) -> VirtualHost | None:
        """That virtual host, if it is there."""
        return self.site.broker.vhosts.get(self.vhost_name() or "")

    def vhost_to_change(self) -> VirtualHost:
        """That virtual host, in which something is to be made. Raises Refused (404)."""
        vhost = self.known_vhost()
        if vhost is None:
            raise vhost_not_found()
        return vhost

    def vhosts(self) -> list[VirtualHost]:
        """That virtual host, or all. Raises Missing."""
        if self.vhost_name() is None:
            return list(self.site.broker.vhosts.values())
        return [self.vhost()]

    def exchange_name(self, binding: str = "exchange") -> str:
        """The name of an exchange in the path, where the default one is amq.default."""
        name = self.names[binding]
        return "" if name == "amq.default" else name

    def values(self, *required: str) -> dict[str, object]:
        """The body, which must be a JSON object with these keys. Raises Refused (400)."""
        values = decoded(self.body)
        missing = [f"{{key_missing,{name}}}" for name in required if name not in values]
        if missing:
            raise bad_request(f"[{','.join(missing)}]")
        return values


def decoded(body: bytes) -> dict[str, object]:
    """A JSON object; nothing, or a bare word, is an empty one. Raises Refused (400)."""
    if body in NOTHING_SAID:
        return {}
    try:
        value = read_json(body)
    except (ValueError, RecursionError):
        raise bad_request("not_json") from None
    if isinstance(value, str):
        raise bad_request(DOUBLY_ENCODED)
    if isinstance(value, bool) or value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_request("not_json")
    return value


def flag(values: dict[str, object], name: str) -> bool:
    """A flag of a body, which is false if it is not there. Raises Refused (400)."""
    return truth(values[name]) if name in values else False


def truth(value: object) -> bool:
    """A flag as JSON has it, or as text. Raises Refused (400)."""
    if not isinstance(value, (bool, str)) or value not in TRUTH:
        raise bad_request(["not_boolean", value])
    return TRUTH[value]


def whole(value: object) -> int:
    """A whole number as JSON has it, or as text. Raises Refused (400)."""
    if isinstance(value, float):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = value if isinstance(value, str) else ""
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise bad_request(["not_integer", value])
    return int(text)


def text(value: object, name: str) -> str:
    """A text. Raises Refused (400) that calls it `name`."""
    if not isinstance(value, str):
        raise bad_request(["not_string", name])
    return value


def text_or_number(value: object, name: str) -> str:
    """A text, or a number as Python writes it. Raises Refused (400) that calls it `name`."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return str(value) if is_number else text(value, name)
