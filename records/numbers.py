"""The numbers of the board: what each counts, what starts, stops and pauses it, and how it is read from the views.

Written once: `continuum board` shows it beside each number, and docs/board.md is made of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FEW = 5
"""Of fewer a median or a share says more about persons than about a clinic: it is left out."""
FEW_FOR_P90 = 10


@dataclass(frozen=True)
class Column:
    """One figure of a row."""

    name: str
    words: str
    kind: Literal["count", "days", "share"] = "count"
    of: str | None = None
    """The column that says of how many this figure speaks."""
    fewest: int = FEW


@dataclass(frozen=True)
class Number:
    """One table of the board."""

    name: str
    title: str
    counts: str
    start: str
    stop: str
    pause: str
    period: str
    """What `--from` and `--to` choose by."""
    by: str
    """What its rows are about."""
    columns: tuple[Column, ...]
    facts: str
    """SQL: `clinic`, `pathway`, `at` (for the month), `what`, and what `sums` adds up. It may use `asked`: tenant,
    since, as_of, pauses."""
    sums: str = ""
    """SQL for the columns after counting; empty: counted by `records/board.py`."""


def _days(ended: str, began: str, less: str = "interval '0'") -> str:
    return f"extract(epoch from {ended} - {began} - {less}) / 86400.0"


_DONE = "coalesce(w.stopped_at >= a.since and w.stopped_at < a.as_of, false)"

WAITS = Number(
    name="waits",
    title="Waits",
    counts="How long journeys were in each stage; how long referrers waited for their answer (`answer`) and patients "
    "for their first visit (`first visit`). In days of 24 hours.",
    start="The stage: when it begins. Answer and first visit: when the referral was received.",
    stop="The stage: when the next begins or the journey closes. Answer: accepted, declined, redirected, or sent to "
    "an emergency department. First visit: the hour of the first visit attended. Who withdrew before is in neither.",
    pause="Holds, except for the answer, which is owed during a hold too; and the time a journey was closed by "
    "mistake. Of a journey that was taken over from elsewhere only the stages that began here are counted.",
    period="waits that stopped in it; `waiting` and `longest` as of its end",
    by="wait",
    columns=(
        Column("n", "ended"),
        Column("median", "median days", "days", "n"),
        Column("p90", "90 % within days", "days", "n", FEW_FOR_P90),
        Column("waiting", "still waiting"),
        Column("longest", "longest of these, days", "days"),
    ),
    facts=f"""
        select w.clinic, w.pathway, w.wait as what, {_DONE} as done,
            case when {_DONE} then w.stopped_at else a.as_of end as at,
            {_days("e.at", "w.started_at", "continuum.board_paused(w.journey, w.started_at, e.at, w.pauses)")} as days
        from asked a join continuum.board_wait w on w.tenant = a.tenant
        cross join lateral (select case when {_DONE} then w.stopped_at else a.as_of end as at) e
        where w.started_at < a.as_of and (({_DONE}) or
            coalesce(w.stopped_at, a.as_of) >= a.as_of and coalesce(w.gone_at, a.as_of) >= a.as_of)
    """,  # noqa: S608 - our own words
    sums="""
        count(*) filter (where done) as n,
        percentile_cont(0.5) within group (order by days) filter (where done) as median,
        percentile_cont(0.9) within group (order by days) filter (where done) as p90,
        count(*) filter (where not done) as waiting, max(days) filter (where not done) as longest
    """,
)

UNANSWERED = Number(
    name="unanswered",
    title="Unanswered referrals",
    counts="Referrals whose referrer has had no answer, by the stage they are in.",
    start="The referral was received.",
    stop="Accepted, declined, redirected, or sent to an emergency department; or it ended otherwise.",
    pause="Nothing: the answer is owed during a hold too. `late` are those whose task `answer_referral` is past its "
    "due time: two open days after receipt, unless an operating rule says otherwise.",
    period="as of its end",
    by="stage",
    columns=(Column("n", "unanswered"), Column("late", "past the deadline"), Column("longest", "oldest, days", "days")),
    facts=f"""
        select r.clinic, r.pathway, r.stage as what, a.as_of as at, {_days("a.as_of", "r.received_at")} as days,
            exists (select from continuum.task t where t.journey = r.journey and t.kind = 'answer_referral'
                and t.due_at < a.as_of and (t.settled_at is null or t.settled_at >= a.as_of)) as late
        from asked a join continuum.board_referral r on r.tenant = a.tenant
        where not r.taken_over and r.received_at < a.as_of and coalesce(r.answered_at, a.as_of) >= a.as_of
            and coalesce(r.ended_at, a.as_of) >= a.as_of
    """,  # noqa: S608 - our own words
    sums="count(*) as n, count(*) filter (where late) as late, max(days) as longest",
)

OVERDUE = Number(
    name="overdue",
    title="Overdue tasks",
    counts="Tasks past their due time, by whoever owes them now.",
    start="The task's due time, as it stands now.",
    stop="The task is settled.",
    pause="A hold for a reason that pauses this kind of task (reference/clocks.md): while it lasts, nobody is late.",
    period="as of its end",
    by="owner",
    columns=(
        Column("n", "overdue"),
        Column("median", "median days late", "days", "n"),
        Column("longest", "longest, days", "days"),
    ),
    facts=f"""
        select t.clinic, coalesce(split_part(j.pathway, '@', 1), 'none') as pathway, t.owner as what, a.as_of as at,
            {_days("a.as_of", "t.due_at")} as days
        from asked a
        join continuum.task t on t.tenant = a.tenant
        join continuum.journey j on j.id = t.journey and j.outcome is distinct from 'entered_in_error'
        where t.opened_at < a.as_of and t.due_at < a.as_of and (t.settled_at is null or t.settled_at >= a.as_of)
            and not exists (select from continuum.board_pause p where p.journey = t.journey and p.from_at <= a.as_of
                and (p.until_at is null or p.until_at > a.as_of)
                and (p.why = 'closed' or (a.pauses->t.kind) ? p.reason))
    """,  # noqa: S608 - our own words
    sums="count(*) as n, percentile_cont(0.5) within group (order by days) as median, max(days) as longest",
)

NO_SHOWS = Number(
    name="no-shows",
    title="Missed visits",
    counts="Visits to which the patient did not come, out of all that were attended or missed.",
    start="The hour of the visit.",
    stop="What happened at it is recorded.",
    pause="Nothing. Cancelled visits and those entered in error are in neither number.",
    period="visits whose hour lies in it",
    by="kind of plan",
    columns=(
        Column("n", "attended or missed"),
        Column("missed", "missed"),
        Column("share", "missed of these", "share", "n"),
        Column("cancelled", "cancelled"),
        Column("unrecorded", "not recorded yet"),
    ),
    facts="""
        select v.clinic, r.pathway, coalesce(p.discipline, 'before a plan') as what, v.starts_at as at, v.status
        from asked a join continuum.visit v on v.tenant = a.tenant
        join continuum.board_referral r on r.journey = v.journey
        left join continuum.plan p on p.id = v.plan
        where v.starts_at >= a.since and v.starts_at < a.as_of
            and v.status in ('attended', 'no_show', 'cancelled', 'booked')
    """,
    sums="""
        count(*) filter (where status in ('attended', 'no_show')) as n,
        count(*) filter (where status = 'no_show') as missed,
        (count(*) filter (where status = 'no_show'))::float8
            / nullif(count(*) filter (where status in ('attended', 'no_show')), 0) as share,
        count(*) filter (where status = 'cancelled') as cancelled,
        count(*) filter (where status = 'booked') as unrecorded
    """,
)

RESPONSES = Number(
    name="responses",
    title="Answers to questionnaires",
    counts="Follow-ups whose questionnaire was answered, out of all on which a patient was asked and that have ended.",
    start="The day of the follow-up, when the patient is asked.",
    stop="The answer; else a call, the next follow-up, the return into care, or the end: then it was not answered.",
    pause="Nothing. Those that have not ended are shown as `open` and not counted in the share.",
    period="follow-ups due in it, as they stood at its end",
    by="follow-up",
    columns=(
        Column("n", "ended"),
        Column("answered", "answered"),
        Column("share", "answered of these", "share", "n"),
        Column("open", "open"),
    ),
    facts="""
        select f.clinic, f.pathway, f.occasion as what, f.asked_at as at, f.ended_at < a.as_of as ended, f.answered
        from asked a join continuum.board_follow_up f on f.tenant = a.tenant
        where f.asked_at >= a.since and f.asked_at < a.as_of
    """,
    sums="""
        count(*) filter (where ended) as n, count(*) filter (where ended and answered) as answered,
        (count(*) filter (where ended and answered))::float8 / nullif(count(*) filter (where ended), 0) as share,
        count(*) filter (where ended is not true) as open
    """,
)

RESPONDERS = Number(
    name="responders",
    title="Responders",
    counts="Patients who got better by at least the change that matters and that is real, by measure: the larger of "
    "the measure's MCID and MDC, as in the pathway's version (`care/responder.py`).",
    start="The first score of the measure.",
    stop="Its last score when care ended (the stage discharge began, for the last time).",
    pause="Nothing. Whoever has fewer than two scores, or a measure without a known threshold, is not counted.",
    period="care that ended in it",
    by="measure",
    columns=(
        Column("n", "with two scores"),
        Column("improved", "improved"),
        Column("share", "improved of these", "share", "n"),
        Column("unclear", "no change that counts"),
        Column("deteriorated", "worse"),
    ),
    facts="""
        select s.clinic, s.pathway, s.measure as what, s.ended_at as at, s.pathway_version, s.first, s.last
        from asked a join continuum.board_result s on s.tenant = a.tenant
        where s.ended_at >= a.since and s.ended_at < a.as_of
    """,
)

CONVERSIONS = Number(
    name="conversions",
    title="From referral to first visit",
    counts="Referrals whose patient came to a first visit, out of all that came or will not come any more.",
    start="The referral was received.",
    stop="The hour of the first visit attended; or the journey closed before it.",
    pause="Nothing. `open` are still on their way. Journeys taken over from elsewhere are not counted.",
    period="referrals received in it, as they stood at its end",
    by="referrals",
    columns=(
        Column("n", "referrals"),
        Column("accepted", "accepted"),
        Column("came", "came to a first visit"),
        Column("lost", "closed before"),
        Column("open", "open"),
        Column("share", "came, of came and closed", "share", "settled"),
        Column("settled", "came or closed"),
    ),
    facts="""
        select r.clinic, r.pathway, 'referrals' as what, r.received_at as at, r.accepted_at < a.as_of as accepted,
            coalesce(r.first_visit_at < a.as_of, false) as came,
            coalesce(r.ended_at < a.as_of, false) and not coalesce(r.first_visit_at < a.as_of, false) as lost
        from asked a join continuum.board_referral r on r.tenant = a.tenant
        where not r.taken_over and r.received_at >= a.since and r.received_at < a.as_of
    """,
    sums="""
        count(*) as n, count(*) filter (where accepted) as accepted, count(*) filter (where came) as came,
        count(*) filter (where lost) as lost, count(*) filter (where not came and not lost) as open,
        (count(*) filter (where came))::float8 / nullif(count(*) filter (where came or lost), 0) as share,
        count(*) filter (where came or lost) as settled
    """,
)

CLOSED = Number(
    name="closed",
    title="Closed journeys",
    counts="Journeys that closed, by their outcome.",
    start="None.",
    stop="The journey closed. A closing that was undone before the end of the period is not counted.",
    pause="Nothing. Journeys entered in error are in this number and in no other.",
    period="closings in it",
    by="outcome",
    columns=(Column("n", "closed"),),
    facts="""
        select j.clinic, coalesce(split_part(j.pathway, '@', 1), 'none') as pathway, e.outcome as what, e.at
        from asked a join continuum.board_end e on e.tenant = a.tenant
        join continuum.journey j on j.id = e.journey
        where e.at >= a.since and e.at < a.as_of and (e.undone_at is null or e.undone_at >= a.as_of)
    """,
    sums="count(*) as n",
)

NUMBERS: tuple[Number, ...] = (
    WAITS,
    UNANSWERED,
    OVERDUE,
    NO_SHOWS,
    RESPONSES,
    RESPONDERS,
    CONVERSIONS,
    CLOSED,
)
BY_NAME = {number.name: number for number in NUMBERS}
