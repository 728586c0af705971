"""The linter on operating rules: overlaps, gaps, and what cannot be so."""

from __future__ import annotations

from pathlib import Path

import pytest

from pathways.lint import lint

HOUSE = """
profiles:
- {id: house, name: House, of: house, basis: proposed, source: s}
- {id: payer, name: Payer, of: payer, basis: proposed, source: s}
rules:
- {id: one, sets: certify_within, value: 30, scope: [payer], until: 2026-06-30, basis: proposed, source: s}
- {id: two, sets: certify_within, value: 20, scope: [payer], from: 2026-07-01, basis: proposed, source: s}
- {id: order, sets: order_certifies, value: true, scope: [house], basis: proposed, source: s}
"""


def findings(folder: Path, *changes: tuple[str, str]) -> list[tuple[str, int | None]]:
    text = HOUSE
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    rules = folder / "library" / "rules" / "house.yaml"
    rules.parent.mkdir(parents=True)
    rules.write_text(text, "utf-8")
    return [(f.rule, f.line) for f in lint(folder)]


def test_rules_that_follow_one_another_are_clean(tmp_path: Path) -> None:
    assert findings(tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("from: 2026-07-01", "from: 2026-06-30", "rule_overlap"),
        ("from: 2026-07-01, ", "", "rule_overlap"),
        ("from: 2026-07-01", "from: 2026-07-02", "rule_gap"),
        ("value: 20", "value: true", "rule_value"),
        ("value: 20", "value: 2.5", "rule_value"),
        ("value: true", "value: 1", "rule_value"),
        ("scope: [house]", "scope: [hous]", "unknown_profile"),
        ("scope: [house]", "scope: []", "no_scope"),
        ("scope: [house]", "scope: [house], until: 2030-01-01", "rule_gap"),
        ("from: 2026-07-01", "from: 2026-07-01, until: 2026-01-01", "rule_dates"),
        ("sets: order_certifies", "sets: order_certify", "form"),
    ],
)
def test_each_mistake_is_found(tmp_path: Path, old: str, new: str, rule: str) -> None:
    found = findings(tmp_path, (old, new))
    assert rule in {name for name, _ in found}
    assert all(line is not None for _, line in found)
