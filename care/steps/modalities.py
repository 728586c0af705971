"""Treatments that need a check before they are booked: heat, cold, electricity, ultrasound, robots, manoeuvres."""

from __future__ import annotations

from collections.abc import Sequence

from care.draft import Draft
from care.red_flag import Contraindication
from care.rules.modalities import MODALITIES, Verdict, Wish
from care.steps import require
from care.steps.screening import facts_of


def allow(d: Draft, wanted: Sequence[str]) -> None:
    """Refuse what is forbidden for this patient, with the reason, and what nobody has asked about, with what to ask.

    What asks for caution is booked, and the journal says so.
    """
    if not wanted:
        return
    listed = {entry.id: entry for entry in d.journey.the_pathway.modalities}
    unlisted = sorted(set(wanted) - set(listed))
    require(
        not unlisted,
        "NoSuchModality",
        f"{d.journey.the_pathway.label} has: {', '.join(listed) or 'no treatment of this kind'}; "
        f"{len(unlisted)} of those asked for is not among them",
    )
    entries = tuple(listed[id_] for id_ in dict.fromkeys(wanted))
    verdicts, decided = MODALITIES.apply(
        Wish(modalities=entries, answers=d.journey.modality_answers, facts=facts_of(d.journey, d.now))
    )
    for verdict in verdicts.modalities:
        entry = listed[verdict.modality]
        require(
            not verdict.forbidden,
            "Contraindicated",
            f"{verdict.modality} must not be booked: {_texts(entry, verdict.because)}",
        )
    ask = "; ".join(_to_ask(listed[v.modality], v) for v in verdicts.modalities if v.ask)
    require(not ask, "AskFirst", f"ask before booking, and answer by `screen`: {ask}")
    careful = [v for v in verdicts.modalities if v.caution]
    for verdict in careful:
        what = _texts(listed[verdict.modality], verdict.caution)
        d.write("modality_caution", f"Caution with {verdict.modality.replace('_', ' ')}: {what}", decided=decided)
    if not careful:
        named = ", ".join(v.modality.replace("_", " ") for v in verdicts.modalities)
        d.write("modality_checked", f"Treatment checked: {named}", decided=decided)


def _to_ask(entry: Contraindication, verdict: Verdict) -> str:
    return f"{entry.id}: " + ", ".join(f"{s.id} ({s.text})" for s in entry.signs if s.id in verdict.ask)


def _texts(entry: Contraindication, signs: Sequence[str]) -> str:
    return ", ".join(s.text for s in entry.signs if s.id in signs)
