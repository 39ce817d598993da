import re
from pathlib import Path

import pytest

from amqpd.config.conf_format import Entry, parse
from amqpd.config.example import ELSEWHERE, example
from amqpd.config.keys import read_keys
from amqpd.config.settings import SETTINGS, Settings

EXAMPLE = Path(__file__).parents[2] / "conf" / "amqpd.conf"
SETTING = re.compile(r"^# (?=\S+ = )", re.MULTILINE)


def values(text: str) -> dict[str, object]:
    entries = [entry for entry in parse(text.encode(), EXAMPLE) if isinstance(entry, Entry)]
    found, without_effect, mistakes = read_keys(entries)
    assert (without_effect, mistakes) == ({}, [])
    return found


def test_the_example_is_up_to_date():
    assert EXAMPLE.read_text() == example(), "python -m amqpd.config.example > conf/amqpd.conf"


def test_the_example_sets_nothing_as_it_is():
    assert values(example()) == {}


def test_without_its_comment_signs_the_example_sets_every_setting_to_its_default():
    found = values(SETTING.sub("", example()))
    assert found.keys() == SETTINGS.keys() - {"listeners"}
    defaults = Settings()
    differing = [name for name, value in found.items() if value != SETTINGS[name].of(defaults)]
    assert set(differing) <= ELSEWHERE.keys()


@pytest.mark.parametrize("unit", ["bytes", "seconds", "milliseconds"])
def test_the_example_names_units(unit: str):
    assert f"Unit: {unit}." in example()
