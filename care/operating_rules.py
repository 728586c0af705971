"""Operating rules: what a payer or a regulator asks, or the house, from which day until which.

Of several rules about one thing the payer's goes before the regulator's, and that before the house's. A rule that
changes on a day holds for what begins from that day on; a clock that was started before keeps its deadline.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Literal, get_args

from pydantic import ConfigDict, Field

from care.model import Brief, Model, Slug
from care.score import Sourced

HOUSE_CHOSE = "a choice of the house, not clinically reviewed"
HOUSE = "house"
"""The profile that holds where neither payer nor regulator says anything."""

RuleKind = Literal[
    "answer_referral_within",
    "referral_needed",
    "certify_within",
    "certification_holds",
    "certification_notice",
    "order_certifies",
    "verbal_order_signed_within",
    "progress_report_every",
    "authorisation_answer_within",
    "authorisation_renewed_within",
    "authorisation_warn_percent",
    "authorisation_warn_left",
    "authorisation_notice",
    "win_back_within",
    "tell_referrer_at_missed",
    "missed_at_most",
    "missed_in_a_row_at_most",
    "contact_attempts",
    "contact_channels",
    "contact_again_after",
    "drop_off_after",
    "first_visit_letter_within",
    "summary_signed_within",
    "receipt_within",
    "records_kept",
    "visits_per_year_usual_cap",
    "threshold_pt_slp",
    "threshold_ot",
    "medical_review_above",
]

Unit = Literal["days", "open days", "treatment days", "visits", "times", "channels", "%", "years", "USD", "yes or no"]


class Kind(Model):
    """What a rule can set."""

    label: str
    unit: Unit
    usual: float | bool | None = None
    """What Continuum did before there were rules, and does for journeys that carry none. None: nothing waits by it; the
    rule is there to be read."""


def _kind(label: str, unit: Unit, usual: float | bool | None = None) -> Kind:
    return Kind(label=label, unit=unit, usual=usual)


KINDS: dict[RuleKind, Kind] = {
    "answer_referral_within": _kind("The referral is answered within", "open days", 2),
    "referral_needed": _kind("Coming back to care needs a new referral", "yes or no", False),
    "certify_within": _kind("The plan of care is certified within, from the first treatment", "days", 30),
    "certification_holds": _kind("A certification holds at most", "days", 90),
    "certification_notice": _kind("A new certification is owed so long before the old one ends", "days", 14),
    "order_certifies": _kind("A signed order and the sending of the plan certify the first time", "yes or no", True),
    "verbal_order_signed_within": _kind("A verbal order is signed within", "days"),
    "progress_report_every": _kind("A progress report is owed every", "treatment days", 10),
    "authorisation_answer_within": _kind("The payer's answer is chased after", "open days", 5),
    "authorisation_renewed_within": _kind("The renewal of an authorisation is chased after", "open days", 5),
    "authorisation_warn_percent": _kind("More visits are asked for when so much is used", "%", 70),
    "authorisation_warn_left": _kind("More visits are asked for when so many are left", "visits", 2),
    "authorisation_notice": _kind("A renewal is owed so long before the last day", "days", 14),
    "win_back_within": _kind("Who missed a visit is called within", "open days", 1),
    "tell_referrer_at_missed": _kind("The referrer is told of missed visits at", "times", 2),
    "missed_at_most": _kind("A clinician decides at so many missed visits", "times", 3),
    "missed_in_a_row_at_most": _kind("A clinician decides at so many missed in a row", "times", 2),
    "contact_attempts": _kind("Somebody counts as not reached after attempts", "times", 3),
    "contact_channels": _kind("Somebody counts as not reached by so many channels", "channels", 2),
    "contact_again_after": _kind("The next attempt to reach somebody comes after", "open days", 3),
    "drop_off_after": _kind("Who has nothing booked is won back after", "days", 14),
    "first_visit_letter_within": _kind(
        "The plan of care goes to the referrer after the first visit within", "open days"
    ),
    "summary_signed_within": _kind("The discharge summary is signed within", "open days", 2),
    "receipt_within": _kind("The referrer's receipt of the summary is chased after", "open days", 5),
    "records_kept": _kind("Records are kept after the last procedure", "years"),
    "visits_per_year_usual_cap": _kind("The plan usually pays so many visits a year", "visits"),
    "threshold_pt_slp": _kind("Threshold a year: physiotherapy and speech therapy together", "USD"),
    "threshold_ot": _kind("Threshold a year: occupational therapy", "USD"),
    "medical_review_above": _kind("Claims are reviewed above", "USD"),
}
"""Everything that a rule can set. Code, documentation and tests read this table."""

DRIVING: tuple[RuleKind, ...] = tuple(k for k in get_args(RuleKind) if KINDS[k].usual is not None)
"""Those by which something waits: a journey carries these and no others."""


class _Dated(Brief):
    model_config = ConfigDict(populate_by_name=True)

    begins: date | None = Field(default=None, validation_alias="from")
    """The first day on which it holds; None: from ever."""
    until: date | None = None
    """The last day on which it holds; None: until further notice."""

    def covers(self, day: date) -> bool:
        """Whether it holds on that day."""
        return (self.begins is None or self.begins <= day) and (self.until is None or day <= self.until)


class Profile(Sourced):
    """Whose rules these are."""

    id: Slug
    name: str
    of: Literal["house", "regulator", "payer"]


class OperatingRule(Sourced, _Dated):
    """One rule: what it sets, to which value, for whom, and when."""

    id: Slug
    sets: RuleKind
    value: float | bool
    scope: tuple[Slug, ...]
    """The profiles that it belongs to."""
    note: str = ""


class RuleInForce(_Dated):
    """A rule as a journey carries it: so much as decisions need, and its source for the record."""

    id: Slug
    sets: RuleKind
    value: float | bool
    rank: int
    """2 the payer's, 1 the regulator's, 0 the house's."""
    source: str = ""
    """Left out where the house simply chose so: the library has the whole words."""

    @property
    def because(self) -> str:
        """Its source, for the record."""
        return self.source or HOUSE_CHOSE


RANK = {"house": 0, "regulator": 1, "payer": 2}


class Rulebook(Model):
    """All rules of all profiles."""

    profiles: tuple[Profile, ...] = ()
    rules: tuple[OperatingRule, ...] = ()

    def named(self, of: Literal["regulator", "payer"]) -> tuple[str, ...]:
        """The ids of the profiles of that kind."""
        return tuple(sorted(p.id for p in self.profiles if p.of == of))

    def for_scope(
        self, regulator: str | None, payer: str | None, sets: Iterable[RuleKind] = DRIVING
    ) -> tuple[RuleInForce, ...]:
        """The rules that can hold for a clinic and a payer, those of days to come included."""
        named = {HOUSE, regulator, payer}
        ranks = {p.id: RANK[p.of] for p in self.profiles if p.id in named and (p.of != "payer" or p.id == payer)}
        wanted = set(sets)
        found = []
        for rule in self.rules:
            own = [ranks[scope] for scope in rule.scope if scope in ranks]
            if own and rule.sets in wanted:
                found.append(
                    RuleInForce(
                        id=rule.id,
                        sets=rule.sets,
                        value=rule.value,
                        rank=max(own),
                        source="" if HOUSE in rule.scope and rule.basis == "proposed" else rule.source,
                        begins=rule.begins,
                        until=rule.until,
                    )
                )
        # What an undated rule of a higher rank takes the place of on every day is not carried along.
        always = {(r.sets, r.rank) for r in found if r.begins is None and r.until is None}
        return tuple(r for r in found if not any((r.sets, rank) in always for rank in range(r.rank + 1, 3)))

    def resolve(self, sets: RuleKind, day: date, regulator: str | None, payer: str | None) -> RuleInForce | None:
        """The one rule in force; None where nobody says anything."""
        return in_force(self.for_scope(regulator, payer, (sets,)), sets, day)


def usual(sets: RuleKind) -> RuleInForce:
    """What Continuum did before there were rules: for journeys that carry none."""
    value = KINDS[sets].usual
    if value is None:
        raise LookupError(f"nothing waits by {sets}")
    return RuleInForce(id=f"usual.{sets}", sets=sets, value=value, rank=0, source="as before there were rules")


def in_force(rules: Iterable[RuleInForce], sets: RuleKind, day: date) -> RuleInForce | None:
    """Of the rules about one thing that hold on a day the payer's, else the regulator's, else the house's."""
    holding = [rule for rule in rules if rule.sets == sets and rule.covers(day)]
    return max(holding, key=lambda rule: (rule.rank, rule.id), default=None)
