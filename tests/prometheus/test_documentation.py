"""docs/metrics.md has every metric, by its type and what it says, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from amqpd.prometheus.table import GROUPS

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `([a-z_]+)` \| (counter|gauge|untyped) \| (.+) \|$", re.MULTILINE)


def test_the_page_has_every_metric_and_no_other():
    documented = {(name, type_, words) for name, type_, words in ROW.findall(PAGE.read_text())}
    there = {
        (group.prefix + family.name, family.type.replace("unknown", "untyped"), family.help)
        for group in GROUPS
        for family in group.families
    }
    assert documented == there


def test_the_page_has_every_group():
    text = PAGE.read_text()
    unnamed = ("alarms", "process", "totals", "build_info", "identity_info", "global")
    for group in GROUPS:
        assert group.name in unnamed or f"`{group.name}`" in text, group.name


def test_no_metric_is_there_twice():
    for registry in ("default", "per-object", "detailed"):
        for apart in (True, False):
            names = [
                group.prefix_in(registry) + family.name
                for group in GROUPS
                if group.is_in(registry, apart) and not (group.is_replaced_by and registry == "detailed")
                for family in group.families
            ]
            assert len(names) == len(set(names))
