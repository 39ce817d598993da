"""Definitions: everything that is declared, as one JSON document, out and in."""

from __future__ import annotations

import email
import email.policy

from amqpd.management import access, definitions
from amqpd.management.answers import Refused, bad_request
from amqpd.management.asked import Asked
from amqpd.management.resources import resource

ALL = resource("/definitions", access.administrators)
OLD_NAME = resource("/all-configuration", access.administrators)
OF_VHOST = resource("/definitions/:vhost", access.administrators)


@ALL.on("GET")
@OLD_NAME.on("GET")
async def export(asked: Asked) -> object:
    """All definitions; with `download` as a file of that name."""
    _name_file(asked)
    return definitions.export(asked.site.broker, asked.site.users)


@OF_VHOST.on("GET")
async def export_vhost(asked: Asked) -> object:
    """What is declared in one virtual host."""
    _name_file(asked)
    vhost = asked.known_vhost()
    if vhost is None:
        raise bad_request("vhost_not_found")
    return definitions.export_vhost(asked.site.broker, vhost.name)


def _name_file(asked: Asked) -> None:
    name = asked.query("download")
    if name and name.isprintable() and name.isascii() and '"' not in name:
        asked.answer_headers["content-disposition"] = f"attachment; filename={name}"


@ALL.on("POST")
@OLD_NAME.on("POST")
async def import_all(asked: Asked) -> None:
    """Make everything that the document defines, beside what is there."""
    _import(asked, None)


@OF_VHOST.on("POST")
async def import_vhost(asked: Asked) -> None:
    """Make it in one virtual host."""
    vhost = asked.vhost_to_change()
    _import(asked, vhost.name)


class Unimportable(Refused):
    """Definitions that can't be imported: RabbitMQ's reason, and besides an explanation that says which item it is."""

    def __init__(self, invalid: definitions.InvalidDefinitions) -> None:
        super().__init__(400, "bad_request", invalid.reason)
        self.explanation = invalid.text

    def body(self) -> object:
        """What the answer says."""
        return {"error": self.error, "reason": self.reason, "explanation": self.explanation}


def _import(asked: Asked, vhost: str | None) -> None:
    body = document_of(asked.request.headers.get("content-type", ""), asked.body)
    try:
        definitions.import_definitions(
            asked.site.broker, asked.site.users, body, vhost=vhost, acting_user=asked.user.name
        )
    except definitions.InvalidDefinitions as invalid:
        raise Unimportable(invalid) from None
    except RecursionError:
        raise bad_request("not_json") from None


def document_of(content_type: str, body: bytes) -> bytes:
    """The body, or of a form the field `file`. Raises Refused (400)."""
    if not content_type.lower().startswith("multipart/form-data"):
        return body
    head = b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n"
    form = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    for part in form.iter_parts() if form.is_multipart() else ():
        if part.get_param("name", header="content-disposition") == "file":
            content = part.get_payload(decode=True)
            if isinstance(content, bytes):
                return content
    raise bad_request("not_json")
