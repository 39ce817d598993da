"""Lists as the API gives them: sorted, searched, in pages, and with the columns that were asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from amqpd.management.answers import Refused, bad_request
from amqpd.management.asked import Asked
from amqpd.management.name_filter import INVALID, matching
from amqpd.management.site import Pause

DEFAULT_PAGE_SIZE = 100
LARGEST_PAGE_SIZE = 500
BY_NAME = ("vhost", "name")

Item = dict[str, Any]
T = TypeVar("T")
R = TypeVar("R")


class Page:
    """Which page of a list is wanted, and of which names."""

    def __init__(self, number: int, size: int, name: str, use_regex: bool) -> None:
        self.number = number
        self.size = size
        self.name = name
        self.use_regex = use_regex


def page_of(asked: Asked) -> Page | None:
    """The page that is asked for, or None for all. Raises Refused (400)."""
    number, size = _number(asked, "page"), _number(asked, "page_size")
    if number is None:
        return None
    if number <= 0 or (size is not None and not 0 < size <= LARGEST_PAGE_SIZE):
        said = "undefined" if size is None else str(size)
        reason = f"Invalid pagination parameters: page number {number}, page size {said}"
        raise Refused(400, "invalid_pagination_parameters", reason)
    return Page(number, size or DEFAULT_PAGE_SIZE, asked.query("name") or "", asked.is_set("use_regex"))


def _number(asked: Asked, name: str) -> int | None:
    text = asked.query(name)
    if text is None:
        return None
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise bad_request(INVALID)
    return int(text)


async def listed(
    asked: Asked,
    items: list[Item],
    default_sorts: Sequence[str] = BY_NAME,
    *,
    in_pages: bool = False,
) -> object:
    """A list of what is there already."""
    page = page_of(asked) if in_pages else None
    ordered = await sorted_items(asked, items, default_sorts)
    if page is None:
        return await columns_of_all(asked, ordered)
    return await _paged(asked, ordered, page, None)


async def listed_in_full(
    asked: Asked,
    objects: list[T],
    basic: Callable[[T], Item],
    in_full: Callable[[T], Item],
) -> object:
    """A list of objects of which much can be told: of no more of them than needed, and others have their turns meanwhile."""
    page = page_of(asked)
    sort = asked.query("sort")
    if not objects or not sort or sort in basic(objects[0]):
        basics = await told_of_each(objects, basic)
        object_of = {id(item): each for item, each in zip(basics, objects, strict=True)}
        ordered = await sorted_items(asked, basics, BY_NAME)
        if page is not None:
            return await _paged(asked, ordered, page, lambda item: in_full(object_of[id(item)]))
        items = await told_of_each(ordered, lambda item: in_full(object_of[id(item)]))
        return await columns_of_all(asked, items)
    items = await sorted_items(asked, await told_of_each(objects, in_full), BY_NAME)
    if page is not None:
        return await _paged(asked, items, page, None)
    return await columns_of_all(asked, items)


async def told_of_each(objects: Sequence[T], told: Callable[[T], R]) -> list[R]:
    """What is told of each; others have their turns meanwhile."""
    items: list[R] = []
    pause = Pause()
    for each in objects:
        items.append(told(each))
        if pause.is_due():
            await asyncio.sleep(0)
    return items


async def _paged(
    asked: Asked, everything: list[Item], page: Page, told: Callable[[Item], Item] | None
) -> object:
    ordered = everything
    if page.name:
        names = [str(item.get("name", "")) for item in ordered]
        is_found = await matching(asked.site.searches, names, page.name, page.use_regex)
        ordered = [item for item, found in zip(ordered, is_found, strict=True) if found]
    start = (page.number - 1) * page.size
    if start > len(ordered):
        reason = f"Page out of range, page: {page.number} page size: {page.size}, len: {len(ordered)}"
        raise Refused(400, "page_out_of_range", reason)
    items = ordered[start : start + page.size]
    if told is not None:
        items = await told_of_each(items, told)
    return {
        "filtered_count": len(ordered),
        "item_count": len(items),
        "items": await columns_of_all(asked, items),
        "page": page.number,
        "page_count": (len(ordered) + page.size - 1) // page.size,
        "page_size": page.size,
        "total_count": len(everything),
    }


# Order


async def sorted_items(asked: Asked, items: list[Item], default_sorts: Sequence[str]) -> list[Item]:
    """The items in the order that was asked for; an empty one is none at all."""
    sort = asked.query("sort")
    if sort == "":
        return items
    sorts = [column.split(".") for column in ([sort, *default_sorts] if sort else default_sorts)]
    ranks = await told_of_each(items, lambda item: [_rank(_dotted(item, column)) for column in sorts])
    numbers = sorted(range(len(items)), key=ranks.__getitem__)
    ordered = [items[number] for number in numbers]
    return ordered[::-1] if asked.is_set("sort_reverse") else ordered


def _dotted(item: object, path: list[str]) -> object:
    """What nothing is said of comes before everything else, as the number 0."""
    for name in path:
        if not isinstance(item, dict) or name not in item:
            return 0
        item = item[name]
    return item


def _rank(value: object) -> tuple[int, Any]:
    """Erlang's order of kinds: numbers, atoms, lists, texts."""
    if isinstance(value, bool) or value is None:
        return 1, {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return 0, value
    if isinstance(value, str):
        return 3, value.encode("utf-8", "surrogateescape")
    return 2, str(value)


# Columns


class Columns:
    """What is wanted of an object, by name, and of what is in it: all of it if it `is_whole`."""

    def __init__(self) -> None:
        self.of: dict[str, Columns] = {}
        self.is_whole = False

    def add(self, names: list[str]) -> None:
        """One more column: the names that lead to it."""
        place = self
        for name in names:
            place = place.of.setdefault(name, Columns())
        place.is_whole = True


async def columns_of_all(asked: Asked, items: list[Item]) -> list[object]:
    """Each item with what was asked for of it."""
    columns = _columns(asked)
    if columns is None:
        return list(items)
    return await told_of_each(items, lambda item: _extracted(item, columns))


def columns_of(asked: Asked, item: Item) -> object:
    """One object with what was asked for of it."""
    columns = _columns(asked)
    return item if columns is None else _extracted(item, columns)


def _columns(asked: Asked) -> Columns | None:
    text = asked.query("columns")
    if text is None:
        return None
    columns = Columns()
    for column in text.split(","):
        columns.add([name for name in column.split(".") if name])
    return columns


def _extracted(value: object, columns: Columns) -> object:
    if isinstance(value, list):
        return [_extracted(item, columns) for item in value]
    if not isinstance(value, dict) or not value:
        return value
    extracted: Item = {}
    for name, inner in value.items():
        wanted = columns.of.get(name)
        if wanted is not None:
            extracted[name] = inner if wanted.is_whole else _extracted(inner, wanted)
    return extracted or []
