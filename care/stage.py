"""The stages of a journey."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """Where a journey is. The value is the workflow's type, so Temporal's UI shows it in the Type column."""

    INTAKE = "Intake"
    REFERRAL = "Referral"
    THERAPY = "Therapy"
    POST_SURGERY_REHAB = "PostSurgeryRehab"
    DISCHARGE = "Discharge"
    FOLLOW_UP = "FollowUp"

    @property
    def label(self) -> str:
        """As people say it."""
        return {"PostSurgeryRehab": "Post-surgery rehab", "FollowUp": "Follow-up"}.get(self.value, self.value)
