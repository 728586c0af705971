"""A caseload comes in: a clinic that begins with Continuum brings its open patients, one journey a row."""

from gateway.caseload.importing import Import, Outcome, check, store
from gateway.caseload.reading import BadFile, Problem, read
from gateway.caseload.row import template

__all__ = ["BadFile", "Import", "Outcome", "Problem", "check", "read", "store", "template"]
