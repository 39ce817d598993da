import re
from pathlib import Path

import pytest

from amqpd.config.keys import KEYS
from amqpd.config.rabbitmq_keys import NOT_HONOURED

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
NO = "not honoured"


def documented() -> dict[str, str]:
    """The keys in the table of RabbitMQ's keys, some with a star at the end, and what it says of them."""
    table = PAGE.read_text().partition("## RabbitMQ's keys")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines()]
    return {key: row[2] for row in rows if len(row) > 3 for key in re.findall("`([^`]+)`", row[1])}


def is_covered(key: str, documented_key: str) -> bool:
    if documented_key.endswith("*"):
        return key.startswith(documented_key.removesuffix("*"))
    return key == documented_key


@pytest.mark.parametrize("key", [key for key, verdict in documented().items() if verdict == NO])
def test_what_the_page_says_is_not_honoured_is_not(key: str):
    otherwise = {each for each, verdict in documented().items() if verdict != NO}
    honoured = [each for each in KEYS if is_covered(each, key) and each not in otherwise]
    assert not honoured, f"docs/configuration.md says it is not honoured: {honoured}"
    assert [each for each in NOT_HONOURED if is_covered(each, key)], f"{key} is no key"
