"""Every metric of ours, by the name under which Prometheus sees it.

Dashboards and alert rules are held against this list and against what a running worker and gateway really say.
"""

from __future__ import annotations

PREFIX = "continuum_"

OF_THE_SITE: dict[str, str] = {
    "journeys": "Journeys by stage and status.",
    "tasks_open": "Tasks that somebody owes, by queue.",
    "tasks_overdue": "Of these, past their due time and not paused by a hold.",
    "referrals_unanswered": "Referrals whose referrer is owed an answer.",
    "referrals_unanswered_late": "Of these, past the deadline.",
    "relay_waiting": "Referrals stored and not begun.",
    "relay_lag_seconds": "Age of the oldest of these.",
    "asks": "What messages ask of journeys, by status: waiting, quarantined, dead.",
    "asks_oldest_seconds": "Age of the oldest, by status.",
    "deliveries": "What subscribers are to be told, by status: pending, dead.",
    "deliveries_oldest_seconds": "Age of the oldest, by status.",
    "hl7_answers": "HL7 v2 messages to referrers' systems, by status: pending, dead.",
    "hl7_answers_oldest_seconds": "Age of the oldest, by status.",
    "notices": "Messages to people, by status: queued, sending, failed, uncertain.",
}
"""Read from the record by each worker, all the same: take the maximum over workers, not the sum."""

SITE_READ = "site_read_time_seconds"
"""When those above were last read. An old one: they are no longer true."""

OF_THE_PROCESS: dict[str, str] = {
    "database_connections": "Connections to PostgreSQL, by state: in_use, idle.",
    "database_connections_most": "The most that this process opens.",
}
NEWEST_BACKUP = "newest_backup_time_seconds"
"""Only where `CONTINUUM_BACKUP_FOLDER` names a folder."""
WORKER_POLLING = "worker_polling"
LAST_PERSIST = "last_persist_time_seconds"
HTTP_REQUESTS = "http_request_duration_seconds"
"""A histogram; Prometheus sees `..._bucket`, `_sum`, `_count`."""
HL7_MESSAGES = "hl7_messages"
"""A counter; Prometheus sees `..._total`."""

HTTP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
