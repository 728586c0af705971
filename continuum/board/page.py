"""The definitions of the board's numbers, for people: docs/board.md is this text."""

from __future__ import annotations

from collections.abc import Iterator

from records.numbers import FEW, FEW_FOR_P90, NUMBERS, Column, Number

HEAD = f"""\
# The board: what each number means

`continuum board` shows the numbers of a site, `continuum board NAME` one of them. `--from` and `--to` choose the
period (days of the clinic; `--to` is not part of it), `--by clinic`, `--by pathway` and `--by month` split the rows,
`--csv` and `--json` are for programs. This page is what `continuum board --definitions` prints.

- **Times are care times**: when something happened at the clinic, not when a server wrote it down. What is open is
  counted as of the end of the period; without `--to`, that is now.
- **Small numbers.** Every figure stands beside the `n` it speaks of. A median or a share of fewer than {FEW}, and a
  90 % of fewer than {FEW_FOR_P90}, is left out: it would speak of persons. Counts are shown as they are; think before
  you pass them on.
- **Clinic and pathway** are those that the journey has now, as is the owner of a task.
- **Corrected is corrected.** What was entered in error does not count, whenever it is found out: a number of last
  month may change.
- The same rows are there for reports of your own: the views `continuum.board_*` in PostgreSQL.
"""


def definitions() -> str:
    """All of them, as Markdown."""
    return "\n".join([HEAD, *(_section(number) for number in NUMBERS)])


def _section(number: Number) -> str:
    return "\n".join(
        [
            f"## {number.title} (`{number.name}`)\n",
            f"{number.counts}\n",
            "| | |",
            "|---|---|",
            f"| **starts** | {number.start} |",
            f"| **stops** | {number.stop} |",
            f"| **pauses** | {number.pause} |",
            f"| **period** | {number.period[0].upper()}{number.period[1:]}. |",
            f"| **one row for each** | {number.by} |",
            f"| **columns** | {', '.join(_columns(number))} |",
            "",
        ]
    )


def _columns(number: Number) -> Iterator[str]:
    for column in number.columns:
        yield f"`{column.name}`: {column.words}{_only_from(column)}"


def _only_from(column: Column) -> str:
    return f" (from {column.fewest} on)" if column.of is not None else ""
