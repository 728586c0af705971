"""The referral of a vignette, as the physician's system sends it: FHIR R4, an invented patient."""

from __future__ import annotations

from datetime import date, timedelta

from continuum.demo.referrals import service_request
from pathways.vignette import SYSTEMS, Referred

SINCE_BIRTHDAY = timedelta(days=90)
"""The birthday was so long ago: the age stays what it is while the referral is on its way."""


def letter(referral: Referred, today: date) -> bytes:
    """One order for one patient, aged as the vignette says on that day."""
    year = (today - SINCE_BIRTHDAY).year - referral.age
    birthday = (today - SINCE_BIRTHDAY).replace(day=1)
    return service_request(
        family="Vignette",
        given="Vera" if referral.sex == "female" else "Viktor",
        gender=referral.sex,
        birth_date=birthday.replace(year=year).isoformat(),
        reasons=[{"system": SYSTEMS[code.system], "code": code.code} for code in referral.codes],
        priority=referral.urgency,
        text=referral.text,
    )
