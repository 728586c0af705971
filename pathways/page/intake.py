"""For whom a pathway is, and what is looked at before anybody is taken on."""

from __future__ import annotations

from care.pathway import Pathway
from care.red_flag import Contraindication, RedFlag, Sign
from pathways import words
from pathways.page.markdown import Lines, bullets, one_line, section, table

LATE = {
    "begin_as_new": "begins as a new patient",
    "first_phase": "begins with the first phase, and passes each gate as the facts meet it",
    "not_eligible": "is not taken on this pathway",
}


def who(pathway: Pathway) -> Lines:
    """Eligibility, exclusions, late arrival, codes."""
    late = pathway.late_enrolment
    told = []
    if late is not None:
        start = "surgery" if pathway.surgical else "the onset"
        after = words.span((late.after_days,) * 2, "day")
        told = [f"Who arrives later than {after} after {start} {LATE[late.then]}."]
        told[0] += f" Basis: {late.basis}. Source: {one_line(late.source)}"
    codes = table(
        ("System", "Code", "Display"),
        [(one_line(c.system), one_line(c.code), one_line(c.display)) for c in pathway.codes],
    )
    terms = [f"Words of a request that may raise it, never settle it: {one_line(', '.join(pathway.terms))}."]
    return section(
        "Who",
        section("Eligible", bullets(one_line(text) for text in pathway.eligibility), level=3),
        section("Not for", bullets(one_line(words.criterion(c, pathway)) for c in pathway.exclude), level=3),
        section("Arriving late", told, level=3),
        section("Codes that suggest it", codes, terms if pathway.terms else [], level=3),
    )


def screens(pathway: Pathway) -> Lines:
    """Red flags, urgencies, contraindications, checklist."""
    urgencies = table(
        ("Urgency", "Means", "Act within", "What is done", "Who is told"),
        [
            (u.code, one_line(u.name), one_line(u.max_wait), one_line(u.action), words.plain(", ".join(u.tell)))
            for u in pathway.urgencies
        ],
    )
    told = [
        "Asked in intake, and looked at again whenever an answer arrives. **A question that is not answered is not",
        "known, never a no:** it is asked for, and where an emergency is possible nothing is booked until then.",
    ]
    flags = [line for flag in pathway.red_flags for line in [*_flag(flag, pathway), ""]][:-1]
    modalities = [line for one in pathway.modalities for line in [*_modality(one, pathway), ""]][:-1]
    return section(
        "Screens",
        section("Intake checklist", bullets(one_line(text) for text in pathway.checklist), level=3),
        section("Red flags", told, urgencies, flags, level=3) if flags else [],
        section("Treatments that are checked before they are booked", modalities, level=3),
    )


def _flag(flag: RedFlag, pathway: Pathway) -> Lines:
    signs = {sign.id: sign.text for sign in flag.signs}
    rows = []
    for rule in flag.rules:
        when = flag.condition(rule)
        rows.append(
            (
                f"**{rule.urgency}** {one_line(words.urgency(rule.urgency, pathway))}",
                one_line(words.condition(when, signs, pathway)) if when is not None else "",
                one_line(rule.action or flag.action),
                words.booking(flag, rule, pathway),
            )
        )
    return section(
        one_line(flag.suspected[:1].upper() + flag.suspected[1:]),
        bullets(_sign(sign, pathway) for sign in flag.signs),
        table(("Urgency", "When", "Action", "Booking"), rows),
        [f"Basis: {flag.basis}. Source: {one_line(flag.source)}"],
        level=4,
    )


def _sign(sign: Sign, pathway: Pathway) -> str:
    told = one_line(sign.text)
    if sign.lasting:
        told += " *(once yes, stays yes)*"
    if sign.yes_if is not None:
        told += f" *(yes without asking, if {one_line(words.criterion(sign.yes_if, pathway))})*"
    if sign.no_if is not None:
        told += f" *(no without asking, if {one_line(words.criterion(sign.no_if, pathway))})*"
    return told


def _modality(one: Contraindication, pathway: Pathway) -> Lines:
    signs = {sign.id: sign.text for sign in one.signs}
    told = [f"Forbidden: {one_line(words.condition(one.forbids, signs, pathway))}"]
    if one.caution is not None:
        told.append(f"With caution: {one_line(words.condition(one.caution, signs, pathway))}")
    if one.dose:
        told.append(f"Dose: {one_line(one.dose)}")
    told.append(f"Basis: {one.basis}. Source: {one_line(one.source)}")
    return section(one_line(words.plain(one.modality).capitalize()), bullets(told), level=4)


def triage(pathway: Pathway) -> Lines:
    """Levels, and who belongs to them."""
    used = {pathway.usual_level, *(rule.level for rule in pathway.triage.rules)}
    levels = table(
        ("Level", "First visit within", "Basis", "Source"),
        [
            (
                f"{one_line(level.code)} {one_line(level.label)}",
                words.span((level.max_wait_days,) * 2, "working day"),
                level.basis,
                one_line(level.source),
            )
            for level in pathway.triage.levels
            if level.code in used
        ],
    )
    rules = [
        f"{one_line(rule.level)} if {one_line(words.criteria(rule.when, pathway))}" for rule in pathway.triage.rules
    ]
    usual = f"otherwise {one_line(pathway.usual_level)}"
    return section("Triage", ["The first that holds:"], bullets([*rules, usual]), levels)
