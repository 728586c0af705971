"""What is done on a pathway: evaluation, dose, measures, goals, reviews, phases, discharge, follow-up."""

from __future__ import annotations

from collections.abc import Iterable

from care.gate import Criterion
from care.pathway import Pathway, Phase
from care.score import Measure
from pathways import words
from pathways.page.markdown import Lines, bullets, one_line, section, table

BETTER = {"higher_better": "higher", "lower_better": "lower"}


def _basis(basis: str, source: str) -> Lines:
    return [f"Basis: {basis}. Source: {one_line(source)}"]


def _each(criteria: Iterable[Criterion], pathway: Pathway) -> Lines:
    return bullets(one_line(words.criterion(one, pathway)) for one in criteria)


def _names(pathway: Pathway, ids: Iterable[str]) -> str:
    found = (pathway.measure(id) for id in ids)  # noqa: A001 - the field's own word
    return ", ".join(one_line(measure.name) for measure in found if measure is not None)


# --- the plan of care


def dose(pathway: Pathway) -> Lines:
    """Dose for each discipline, and what other conditions change in it."""
    parts = []
    for discipline in dict.fromkeys(rule.discipline for rule in pathway.dosing):
        rows = [
            (
                one_line(rule.label),
                one_line(words.criteria(rule.when, pathway)) if rule.when else "everybody else",
                one_line(words.dose(rule))
                + (
                    f"; asked by message on day {', '.join(str(d) for d in rule.check_days)}" if rule.check_days else ""
                ),
                one_line("; ".join(rule.interventions)),
                f"{rule.basis}: {one_line(rule.source)}",
            )
            for rule in pathway.dosing
            if rule.discipline == discipline
        ]
        name = words.plain(discipline).capitalize()
        parts.append(section(name, table(("", "For", "How much", "What", "Basis and source"), rows), level=3))
    first = ["For each discipline the first rule that holds. The therapist may change it; the physician certifies it."]
    conditions = [
        (
            one_line(rule.label),
            one_line("; ".join(rule.precautions)),
            "" if rule.visits_per_week_at_most is None else words.number(rule.visits_per_week_at_most),
            f"{rule.basis}: {one_line(rule.source)}",
        )
        for rule in pathway.conditions
    ]
    columns = ("Condition", "Precautions", "Visits a week at most", "Basis and source")
    others = section("Other conditions", table(columns, conditions), level=3)
    return section("Dose", first, *parts, others) if parts else others


def measures(pathway: Pathway) -> Lines:
    """Every measure: when it is taken, its range, what change counts, what may be done with it."""
    rows = [
        (
            f"{one_line(m.name)} (`{m.id}`)",
            _taken(m, pathway),
            _range(m),
            BETTER[m.direction],
            _change(m),
            "" if m.mdc is None else words.number(m.mdc),
            words.plain(m.licence.status) + (": score entry only" if m.licence.score_only else ""),
            f"{m.basis}: {one_line(m.source)}",
        )
        for m in pathway.measures
    ]
    columns = ("Measure", "Taken", "Range", "Better", "MCID", "MDC", "Licence", "Basis and source")
    meant = ["MCID: the smallest change that matters to patients. MDC: the smallest change beyond measurement error."]
    return section("Measures", meant, table(columns, rows)) if rows else []


def _taken(measure: Measure, pathway: Pathway) -> str:
    moments = {
        "evaluation": pathway.baseline,
        "reviews": pathway.review.measures or pathway.baseline,
        "with surgery": pathway.at_surgery,
        "follow-up": pathway.follow_up.measures,
    }
    found = [moment for moment, ids in moments.items() if measure.id in ids]
    phases = [str(phase.n) for phase in pathway.phases if measure.id in phase.measures]
    return ", ".join([*found, *([f"phase {', '.join(phases)}"] if phases else [])])


def _range(measure: Measure) -> str:
    if measure.options:
        return one_line(", ".join(words.plain(word) for word in measure.options))
    if measure.minimum is None and measure.maximum is None:
        return f"any {measure.unit or 'number'}"
    low = "any" if measure.minimum is None else words.number(measure.minimum)
    high = "any" if measure.maximum is None else words.number(measure.maximum)
    return one_line(f"{low} to {high} {measure.unit or ''}".rstrip())


def _change(measure: Measure) -> str:
    found = [words.number(measure.mcid)] if measure.mcid is not None else []
    found += [f"{words.number(measure.mcid_pct)}%"] if measure.mcid_pct is not None else []
    return " or ".join(found) + (
        f"; worse: {words.number(measure.mcid_worse)}" if measure.mcid_worse is not None else ""
    )


def goals(pathway: Pathway) -> Lines:
    """What each patient's own baseline turns into a number."""
    rows = [(one_line(words.goal(g, pathway)), f"{g.basis}: {one_line(g.source)}") for g in pathway.goals]
    return section("Goals", table(("Goal", "Basis and source"), rows))


# --- reviews, surgery, phases


def reviews(pathway: Pathway) -> Lines:
    """How often, and what the rules recommend."""
    review = pathway.review
    often = (
        f"Every {words.span((review.every_visits,) * 2, 'visit')} or {words.span((review.every_days,) * 2, 'day')}, "
        f"whichever comes first. Taken: {_names(pathway, review.measures or pathway.baseline)}."
    )
    rows = [
        (
            words.RECOMMENDATIONS[rule.recommend],
            one_line(words.criteria(rule.when, pathway)),
            one_line(rule.because),
            f"{rule.basis}: {one_line(rule.source)}",
        )
        for rule in pathway.progress
    ]
    told = [
        "The end state (under Discharge) is looked at first, then these in order. They recommend; a clinician decides."
    ]
    columns = ("Recommended", "When", "Because", "Basis and source")
    return section("Progress reviews", [often], told, table(columns, rows), _basis(review.basis, review.source))


def surgery(pathway: Pathway) -> Lines:
    """What is on record before it, and with it."""
    if not pathway.surgical:
        return []
    with_it = [f"Recorded with it: {_names(pathway, pathway.at_surgery)}."] if pathway.at_surgery else []
    before = section("On record before it", _each(pathway.before_surgery, pathway), level=3)
    return section("Surgery", before, with_it)


def phases(pathway: Pathway) -> Lines:
    """Windows, gates, precautions."""
    start = "surgery" if pathway.surgical else "the evaluation"
    told = [
        "A gate opens when all its criteria are met *and* the next window has begun, or when a named clinician opens",
        "it with a reason. The end of a window is the day on which the phase is reviewed, never an exit by itself.",
    ]
    parts = [_phase(pathway, n, start) for n in range(len(pathway.phases))]
    return section("Phases and gates", told, *parts) if parts else []


def _phase(pathway: Pathway, n: int, start: str) -> Lines:
    phase: Phase = pathway.phases[n]
    often = f"{words.window(phase.window_days).capitalize()} after {start}; "
    often += f"{words.span(phase.visits_per_week, 'visit')} a week."
    if phase.min_days:
        often += f" At least {words.span((phase.min_days,) * 2, 'day')} in this phase."
    if phase.measures:
        often += f" Taken: {_names(pathway, phase.measures)}."
    last = n + 1 == len(pathway.phases)
    gate = "Gate that ends care with its goals met" if last else f"Gate to phase {pathway.phases[n + 1].n}"
    return section(
        f"Phase {phase.n}: {one_line(phase.name)}",
        [often],
        _titled("Done:", (one_line(text) for text in phase.interventions)),
        _titled("Precautions:", (one_line(text) for text in phase.precautions)),
        _titled(f"**{gate}:**", (one_line(words.criterion(c, pathway)) for c in phase.gate)),
        _basis(phase.basis, phase.source),
        level=3,
    )


def _titled(title: str, texts: Iterable[str]) -> Lines:
    found = bullets(texts)
    return [title, "", *found] if found else []


# --- the end


def discharge(pathway: Pathway) -> Lines:
    """The end state, and what the patient goes home with."""
    end = _titled(
        "Care is complete when all of these hold:", (one_line(words.criterion(c, pathway)) for c in pathway.discharge)
    )
    none = ["No end state is given: a clinician decides."]
    home = section("Home programme", bullets(one_line(text) for text in pathway.home_programme), level=3)
    return section("Discharge", end or none, home)


def follow_up(pathway: Pathway) -> Lines:
    """When, what is asked, and what opens a call."""
    plan = pathway.follow_up
    told = (
        f"Counted from {plan.anchor}: {', '.join(one_line(o.label) for o in plan.occasions)}. Asked: "
        f"{_names(pathway, plan.measures)}. {words.span((plan.reminders,) * 2, 'reminder')}, "
        f"{words.span((plan.answer_days,) * 2, 'day')} apart, then a phone call."
    )
    call = (
        f"A call within {words.span((plan.call_within_days,) * 2, 'working day')} and a way back into therapy, where "
        "any of these holds, or a red flag:"
    )
    back = (
        f"The patient may come back with the same problem for {words.span((plan.open_access_days,) * 2, 'day')} "
        "without a new referral."
    )
    worse = _titled(call, (one_line(words.criterion(c, pathway)) for c in plan.worse))
    return section("Follow-up", [told], worse, [back], _basis(plan.basis, plan.source))
