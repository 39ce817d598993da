"""Paths and what can be done with each: a table that the modules of views fill as they are imported."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import unquote_to_bytes

from amqpd.management.access import Rule
from amqpd.management.asked import Asked

Handler = Callable[[Asked], Awaitable[object]]
"""Does what was asked: for GET its result is the answer.

For PUT it says whether anything was made; for POST a `Created`, None for an empty answer, or the answer; for DELETE
nothing. Raises Refused.
"""

METHODS = ("HEAD", "GET", "PUT", "POST", "DELETE", "OPTIONS")


class Created:
    """What a POST has made, and where it is."""

    def __init__(self, location: str) -> None:
        self.location = location


class Resource:
    """A path, who may ask for it, and what answers each method. Without a rule nobody need log in."""

    def __init__(self, path: str, rule: Rule | None) -> None:
        self.path = path
        self.rule = rule
        self.names = [segment[1:] for segment in path.split("/") if segment.startswith(":")]
        self.handlers: dict[str, Handler] = {}

    def on(self, method: str) -> Callable[[Handler], Handler]:
        """Let the decorated function answer this method, and HEAD if it is GET."""

        def register(handler: Handler) -> Handler:
            self.handlers[method] = handler
            return handler

        return register

    def allowed(self) -> str:
        """The methods that it answers, as the header Allow has them."""
        answered = {*self.handlers, "OPTIONS"}
        if "GET" in answered:
            answered.add("HEAD")
        return ", ".join(method for method in METHODS if method in answered)


class Place:
    """What follows a part of a path: known words, or any name."""

    def __init__(self) -> None:
        self.words: dict[str, Place] = {}
        self.any: Place | None = None
        self.resource: Resource | None = None


ROOT = Place()


def resource(path: str, rule: Rule | None) -> Resource:
    """A resource at a path below /api, `:name` standing for any one part."""
    made = Resource(path, rule)
    place = ROOT
    for segment in path.strip("/").split("/"):
        if segment.startswith(":"):
            if place.any is None:
                place.any = Place()
            place = place.any
        else:
            place = place.words.setdefault(segment, Place())
    place.resource = made
    return made


class UndecodablePath(ValueError):
    """A path with an escape that stands for no octet."""


def segments_of(raw_path: bytes) -> list[str]:
    """The parts of a path, their escapes undone; one slash at the end means nothing. Raises UndecodablePath."""
    segments = raw_path.strip(b"/").split(b"/") if raw_path.strip(b"/") else []
    return [_unescaped(segment) for segment in segments]


def _unescaped(segment: bytes) -> str:
    for escape in segment.split(b"%")[1:]:
        if len(escape) < 2 or not all(digit in b"0123456789abcdefABCDEF" for digit in escape[:2]):
            raise UndecodablePath()
    return unquote_to_bytes(segment).decode("utf-8", "surrogateescape")


def found(segments: list[str]) -> tuple[Resource, dict[str, str]] | None:
    """The resource at a path, and the names in it."""
    names: list[str] = []
    resource = _found(ROOT, segments, 0, names)
    if resource is None:
        return None
    return resource, dict(zip(resource.names, names, strict=True))


def _found(place: Place, segments: list[str], at: int, names: list[str]) -> Resource | None:
    if at == len(segments):
        return place.resource
    following = place.words.get(segments[at])
    if following is not None:
        resource = _found(following, segments, at + 1, names)
        if resource is not None:
            return resource
    if place.any is None:
        return None
    names.append(segments[at])
    resource = _found(place.any, segments, at + 1, names)
    if resource is None:
        names.pop()
    return resource
