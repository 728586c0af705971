"""A file of vignettes that cannot be played is refused in one line: file, line, and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from pathways import PathwayError
from pathways.vignette import files_of, read_vignettes

GOOD = """
pathway: low_back_pain
vignettes:
- id: one
  title: One
  basis: boundary
  cites: ODI 20 or less, pathway
  referral: {text: Pain., codes: [{system: icd-10, code: M54.5}], age: 45, sex: female}
  screen: {saddle_numb: unknown}
  course:
  - {day: 1, evaluate: {odi: 20}}
  - {day: 8, visit: attended, scores: {odi: 10}, expect: {recommend: discharge}}
  - {day: 9, review: discharge, reason: GOALS}
  to_the_end: true
  expect: {flags: {}, outcome: completed}
"""


def write(folder: Path, old: str = "", new: str = "") -> Path:
    assert not old or GOOD.count(old) == 1, old
    file = folder / "one.yaml"
    file.write_text(GOOD.replace(old, new) if old else GOOD, encoding="utf-8")
    return file


def test_what_is_left_out_and_what_is_none_are_not_the_same(tmp_path: Path) -> None:
    expected = read_vignettes(write(tmp_path, "{flags: {}", "{pathway: null, flags: {}")).content.vignettes[0].expect
    assert expected.model_fields_set == {"pathway", "flags", "outcome"}
    assert read_vignettes(write(tmp_path)).content.vignettes[0].screen == {"saddle_numb": "unknown"}


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("basis: boundary", "basis: book", 6, "vignettes[0].basis: Input should be"),
        ("  cites: ODI 20 or less, pathway\n", "", 4, "cites: say where this is written"),
        ("age: 45", "aged: 45", 8, "there is no such field; did you mean 'age'?"),
        ("age: 45", "age: old", 8, "vignettes[0].referral.age: Input should be a valid integer"),
        ("saddle_numb: unknown", "saddle_numb: maybe", 9, "vignettes[0].screen.saddle_numb: Input should be"),
        ("day: 8", "day: 0", 4, "the days go up from step to step"),
        ("visit: attended, scores", "check: {}, scores", 12, "a step is one of: evaluate, visit, "),
        ("visit: attended, scores: {odi: 10},", "visit: no_show, answers: {a: true},", 12, "did not take place"),
        ("evaluate: {odi: 20}", "evaluate: {odi: 20}, ago: 3", 11, "`ago` goes with: surgery"),
        (", reason: GOALS", "", 13, "a discharge needs a coded reason"),
        ("recommend: discharge", "recommend: stop", 12, "vignettes[0].course[1].expect.recommend: Input should be"),
        ("evaluate: {odi: 20}", "scores: {odi: 20}", 4, "to_the_end: a course that goes on needs an `evaluate`"),
        ("pathway: low_back_pain\n", "", 2, "a file is about one `pathway:` or about one `flag:`"),
        ("id: one", "id: one\n  id: two", 5, "the key 'id' is written twice"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    with pytest.raises(PathwayError) as caught:
        read_vignettes(write(tmp_path, old, new))
    assert str(caught.value).startswith(f"one.yaml:{line}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_of_one_id(tmp_path: Path) -> None:
    second = GOOD[GOOD.index("- id: one") :]
    (tmp_path / "one.yaml").write_text(GOOD + second, encoding="utf-8")
    with pytest.raises(PathwayError, match="each vignette has an id of its own; written twice: one"):
        read_vignettes(tmp_path / "one.yaml")


def test_nothing_expected_shows_nothing(tmp_path: Path) -> None:
    text = GOOD.replace("expect: {flags: {}, outcome: completed}", "expect: {}").replace(
        ", expect: {recommend: discharge}", ""
    )
    (tmp_path / "one.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PathwayError, match="a vignette that expects nothing shows nothing"):
        read_vignettes(tmp_path / "one.yaml")


def test_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    write(tmp_path / "inner")
    assert [name for name, _ in files_of(tmp_path)] == ["inner/one.yaml"]
    assert [name for name, _ in files_of(tmp_path / "inner" / "one.yaml")] == ["one.yaml"]
    with pytest.raises(PathwayError, match="there is no such file"):
        files_of(tmp_path / "none")
