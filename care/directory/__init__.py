"""The directory: clinics, people, team queues, absences and the on-call rota, and who is told what at a moment.

Everything here is pure: a directory is a value, and what is asked of it depends on the care time that is passed in.
"""

from care.directory.changes import Change, changes
from care.directory.check import Problem, problems
from care.directory.model import (
    Absence,
    ClinicEntry,
    Directory,
    Duty,
    Person,
    Queue,
    Span,
    StaffRole,
)
from care.directory.resolve import Nobody, Resolved, resolve, stands_in_for

__all__ = [
    "Absence",
    "Change",
    "ClinicEntry",
    "Directory",
    "Duty",
    "Nobody",
    "Person",
    "Problem",
    "Queue",
    "Resolved",
    "Span",
    "StaffRole",
    "changes",
    "problems",
    "resolve",
    "stands_in_for",
]
