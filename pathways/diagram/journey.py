"""What the picture of a pathway shows: its steps in order, and what branches off them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from care.gate import Criterion
from care.pathway import Pathway, Phase
from care.red_flag import Urgency
from pathways import words
from pathways.diagram.drawing import svg
from pathways.diagram.layout import BULLET, Block, Look, Picture, Row, lay_out

STATUS = {
    "sketch": "SKETCH: not complete, not for care",
    "draft": "DRAFT: no clinician has signed it",
    "signed_off": "signed",
}
MANY = 6
"""A list of more entries than these in one box is a wall; the page has all of them."""


def diagram(pathway: Pathway) -> str:
    """The journey on this pathway as an SVG document. The same pathway gives the same bytes."""
    title = f"{pathway.name}: the patient's journey"
    steps = "; ".join(row.main.title for row in rows(pathway))
    return svg(picture(pathway), title, f"From top to bottom: {steps}. Branches to the right; everything is text.")


def picture(pathway: Pathway) -> Picture:
    """The journey, laid out."""
    status = STATUS[pathway.status]
    if pathway.signed_off is not None:
        status = f"signed by {pathway.signed_off.by} on {pathway.signed_off.on:%Y-%m-%d}"
    under = (f"{words.plain(pathway.service_line).capitalize()}, version {pathway.version}. {status}.",)
    return lay_out(pathway.name, under, rows(pathway))


def rows(pathway: Pathway) -> list[Row]:
    """The steps from top to bottom."""
    steps = [_screen(pathway), _triage(pathway), _evaluation(pathway), _plan(pathway)]
    if pathway.surgical:
        steps.append(_surgery(pathway))
    steps.append(_reviews(pathway))
    for n, phase in enumerate(pathway.phases):
        after = pathway.phases[n + 1] if n + 1 < len(pathway.phases) else None
        steps += _phase(pathway, phase, after)
    return [*steps, _discharge(pathway), _follow_up(pathway)]


def _bullets(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{BULLET}{text}" for text in texts)


def _names(pathway: Pathway, measures: Sequence[str]) -> str:
    found = (pathway.measure(id) for id in measures)  # noqa: A001 - the field's own word
    return ", ".join(measure.name for measure in found if measure is not None)


def _each(criteria: Iterable[Criterion], pathway: Pathway) -> tuple[str, ...]:
    return _bullets(words.criterion(one, pathway) for one in criteria)


# --- before therapy


def _screen(pathway: Pathway) -> Row:
    questions = len({sign.id for flag in pathway.red_flags for sign in flag.signs})
    lines = [
        f"{len(pathway.red_flags)} red flags, {questions} questions. What is not answered is not known, never a no: "
        "it is asked for."
    ]
    lines += _bullets(pathway.eligibility)
    lines += _bullets(f"not for: {words.criterion(one, pathway)}" for one in pathway.exclude)
    if pathway.checklist:
        lines += ["Looked at or arranged as well:", *_bullets(pathway.checklist)]
    return Row(Block("Intake: red-flag screen", tuple(lines), "intake"), tuple(_alarms(pathway)))


def _alarms(pathway: Pathway) -> Iterator[Block]:
    """The flags by what they can at worst become; booking waits for the most urgent."""
    worst: dict[Urgency, list[str]] = {}
    for flag in pathway.red_flags:
        first: Urgency = min((rule.urgency for rule in flag.rules), default="N")
        worst.setdefault(first, []).append(flag.suspected)
    titles: dict[Urgency, str] = {"E0": "Emergency now (E0)", "E1": "The same day: on-call doctor or surgeon (E1)"}
    for urgency, title in titles.items():
        if urgency in worst:
            yield Block(title, _bullets(worst[urgency]), "danger")
    less: tuple[Urgency, ...] = ("E2", "E3", "N")
    for urgency in less:
        if urgency in worst:
            title = f"{words.urgency(urgency, pathway).capitalize()} ({urgency})"
            yield Block(title, _bullets(worst[urgency]), "note")


def _triage(pathway: Pathway) -> Row:
    used = {pathway.usual_level, *(rule.level for rule in pathway.triage.rules)}
    lines = [
        f"{level.code} ({level.label}): first visit within {words.span((level.max_wait_days,) * 2, 'working day')}"
        f"{', where no rule says otherwise' if level.code == pathway.usual_level else ''}"
        for level in pathway.triage.levels
        if level.code in used
    ]
    late = pathway.late_enrolment
    sides: tuple[Block, ...] = ()
    if late is not None:
        said = {
            "begin_as_new": "begins as a new patient",
            "first_phase": "begins with the first phase; each gate is tried at once",
            "not_eligible": "is not taken on this pathway",
        }
        start = "surgery" if pathway.surgical else "onset"
        after = f"Later than {words.span((late.after_days,) * 2, 'day')} after {start}: {said[late.then]}."
        sides = (Block("Arriving late", (after,), "note"),)
    return Row(Block("Triage and answer to the referrer", _bullets(lines), "intake"), sides)


def _evaluation(pathway: Pathway) -> Row:
    return Row(Block("Evaluation", (_names(pathway, pathway.baseline),), "care"), back_to=True)


# --- therapy


def _plan(pathway: Pathway) -> Row:
    lines: list[str] = []
    self_care: list[str] = []
    for discipline in dict.fromkeys(rule.discipline for rule in pathway.dosing):
        rules = [rule for rule in pathway.dosing if rule.discipline == discipline]
        lines.append(f"{words.plain(discipline).capitalize()}:")
        for rule in rules:
            who = f", if {words.criteria(rule.when, pathway)}" if rule.when else ""
            lines.append(f"{BULLET}{rule.label}{who}: {words.dose(rule)}")
            if rule.self_care:
                days = ", ".join(str(day) for day in rule.check_days)
                self_care.append(f"{rule.label}: asked by message on day {days}")
    first = "The first rule that holds, for each discipline. The therapist may change it; the physician certifies."
    sides = [Block("Self-care first", _bullets(self_care), "care")] if self_care else []
    if pathway.conditions:
        sides.append(Block("With other conditions", _bullets(c.label for c in pathway.conditions), "note"))
    if pathway.modalities:
        checked = _bullets(words.plain(m.modality) for m in pathway.modalities)
        sides.append(Block("Checked before it is booked", checked, "note"))
    return Row(Block("Plan of care", (first, *lines), "care"), tuple(sides))


def _surgery(pathway: Pathway) -> Row:
    lines = [f"on record before: {words.criterion(one, pathway)}" for one in pathway.before_surgery]
    if pathway.at_surgery:
        lines.append(f"recorded with it: {_names(pathway, pathway.at_surgery)}")
    return Row(Block("Surgery", _bullets(lines), "surgery"))


def _reviews(pathway: Pathway) -> Row:
    review = pathway.review
    every = (
        f"Every {words.span((review.every_visits,) * 2, 'visit')} or {words.span((review.every_days,) * 2, 'day')}, "
        "whichever comes first. The rules recommend, a clinician decides."
    )
    rules = [rule for rule in pathway.progress if rule.recommend != "surgical_opinion"]
    lines = _bullets(f"{words.RECOMMENDATIONS[rule.recommend]}: {rule.because}" for rule in rules[:MANY])
    if len(rules) > MANY:
        lines += (f"and {len(rules) - MANY} more, on the page of this pathway",)
    surgeon = _bullets(rule.because for rule in pathway.progress if rule.recommend == "surgical_opinion")
    sides = (Block("Surgical opinion", surgeon, "surgery"),) if surgeon else ()
    return Row(Block("Progress reviews, until discharge", (every, *lines), "care"), sides)


def _phase(pathway: Pathway, phase: Phase, after: Phase | None) -> Iterator[Row]:
    start = "surgery" if pathway.surgical else "the evaluation"
    often = words.span(phase.visits_per_week, "visit")
    lines = [f"{words.window(phase.window_days).capitalize()} after {start}; {often} a week"]
    lines += _bullets(phase.interventions)
    look: Look = "surgery" if pathway.surgical else "care"
    careful = (Block("Precautions", _bullets(phase.precautions), "note"),) if phase.precautions else ()
    yield Row(Block(f"Phase {phase.n}: {phase.name}", tuple(lines), look), careful)
    if not phase.gate and after is None:
        return
    if after is not None:
        title = f"Gate to phase {after.n}: all of these"
        if after.window_days[0]:
            title += f", and not before day {after.window_days[0]}"
    else:
        title = "Last gate: all of these end care with its goals met"
    if phase.min_days:
        title += f", and {words.span((phase.min_days,) * 2, 'day')} in this phase"
    closed = (
        f"not open by day {phase.window_days[1]}: the phase is reviewed. A named clinician may open it, with a reason."
    )
    yield Row(Block(title, (*_each(phase.gate, pathway), closed[0].upper() + closed[1:]), "gate"))


# --- after therapy


def _discharge(pathway: Pathway) -> Row:
    lines = [
        ("Care is complete when:" if pathway.discharge else "When a clinician decides so."),
    ]
    lines += _each(pathway.discharge, pathway)
    home = (Block("Home programme", _bullets(pathway.home_programme), "note"),) if pathway.home_programme else ()
    return Row(Block("Discharge: summary and answer to the referrer", tuple(lines), "end"), home)


def _follow_up(pathway: Pathway) -> Row:
    plan = pathway.follow_up
    asked = f"Asked: {_names(pathway, plan.measures)}. {words.span((plan.reminders,) * 2, 'reminder')}, then a call."
    chips = tuple(one.label for one in plan.occasions)
    worse = [*_each(plan.worse, pathway), f"{BULLET}or a red flag"]
    back = f"A call within {words.span((plan.call_within_days,) * 2, 'working day')}, and a way back into therapy "
    back += f"(dashed line). Without a new referral for {words.span((plan.open_access_days,) * 2, 'day')}."
    main = Block(f"Follow-up, counted from {plan.anchor}", (asked,), "end", chips)
    return Row(main, (Block("Worse: any one of these", (*worse, back), "danger"),), back_from=True)
