"""How far a pathway has been checked: its sources, what is not verified, and the block for the signature."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from care.pathway import Pathway
from care.score import Sourced
from pathways.page.markdown import Lines, bullets, one_line, section, table

ORDER = ("proposed", "unverified", "mixed")
MEANS = {
    "proposed": "our own design value, not clinically reviewed",
    "unverified": "a source is named, nobody here has read it",
    "mixed": "part and part; the source says which",
}


def entries(value: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, Sourced]]:
    """Every entry with a basis and a source, with its place in words: `dosing: self_care`."""
    if isinstance(value, Sourced):
        yield (": ".join(place) or "the pathway as a whole", value)
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from entries(getattr(value, name), (*place, name.replace("_", " ")))
    elif isinstance(value, tuple):
        for n, item in enumerate(value, 1):
            yield from entries(item, (*place, _called(item, n)))


def _called(item: Any, n: int) -> str:
    """An entry by what it is known by, not by its number, where it has such a thing."""
    for name in ("id", "code", "condition"):
        known = getattr(item, name, None)
        if isinstance(known, str):
            return known
    return str(getattr(item, "n", n))


def evidence(pathway: Pathway) -> Lines:
    """Sources, what is not verified, gaps."""
    found = list(entries(pathway))
    sources = sorted({one_line(entry.source) for _, entry in found})
    open_ = [(place, entry) for place, entry in found if entry.basis != "verified"]
    open_.sort(key=lambda pair: ORDER.index(pair[1].basis))
    count = f"{len(open_)} of {len(found)} entries are not verified: "
    count += ", ".join(f"{sum(e.basis == basis for _, e in open_)} {basis} ({MEANS[basis]})" for basis in ORDER) + "."
    rows = [(one_line(place), entry.basis, one_line(entry.source)) for place, entry in open_]
    parts = (
        section("Gaps", bullets(one_line(gap) for gap in pathway.gaps))
        or section("Gaps", ["None is named. That says nothing about what nobody thought of."]),
        section("What is not verified", [count], table(("Entry", "Basis", "Source"), rows)),
        section("Sources", bullets(sources)),
    )
    return [line for part in parts for line in [*part, ""]][:-1]


def signature(pathway: Pathway) -> Lines:
    """What is signed, and by whom it was, or the lines for it."""
    told = [
        f"What is signed is the content with the digest `{pathway.digest}`: this pathway in version {pathway.version},",
        "with all that it takes from the library. After a change of either the signature no longer holds.",
    ]
    if pathway.signed_off is not None:
        signed = pathway.signed_off
        holds = (
            "It holds." if signed.digest == pathway.digest else "**It does not hold: the content was changed since.**"
        )
        rows = [(one_line(signed.by), f"{signed.on:%Y-%m-%d}", f"`{signed.digest}`", holds)]
        return section("Signature", told, table(("Signed by", "On", "Digest signed", ""), rows))
    blank = [("Name and licence number", " "), ("Date", " "), ("Digest, as above", " "), ("Signature", " ")]
    how = [
        "**No clinician has signed this.** Whoever signs answers for all of this page. How a signature gets in:",
        "[authors/pathways.md](../authors/pathways.md).",
    ]
    return section("Signature", how, told, table(("", ""), blank))
