"""The staff API: journeys, tasks, what came in, and every action as a resource; and the two pages that people see.

    GET  /api/journeys/{id}/actions        which actions may I take now
    POST /api/journeys/{id}/actions/hold   take one

The command line uses it when it is told to (`continuum --api`). `docs/integrators/staff-api.md` shows it by example.
"""
