"""The command line. Each command speaks to people, and with `--json` to programs.

Exit codes: 0 done, 1 done but something was refused or is not confirmed, 2 a mistake in how it was called or where
(one line on standard error says what is wrong and what would be right).
"""

from __future__ import annotations

import typer
from typer.exceptions import TyperException

from continuum.commands import (
    acting,
    backup,
    board,
    bounces,
    caseload,
    clients,
    corpus,
    corrections,
    directory,
    doctor,
    endpoints,
    inbound,
    pathways,
    record,
    stack,
    tasks,
    tokens,
    upgrade,
)
from continuum.commands.common import Mistake, mistaken
from continuum.embedded.folder import StackError
from continuum.patience import leave
from records.database import DatabaseAway

app = typer.Typer(
    help="Referrals and care pathways for rehabilitation providers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (
    stack.up,
    stack.demo,
    acting.refer,
    record.journeys,
    record.show,
    tasks.tasks,
    acting.act,
    tasks.claim,
    tasks.assign,
    tasks.acknowledge,
    tasks.reassign,
    corrections.reopen,
    corrections.merge_patient,
    record.notices,
    record.mail,
    board.board,
    bounces.bounce,
    corpus.corpus,
    backup.backup,
    backup.restore,
    doctor.doctor,
    tokens.token,
    stack.worker,
    stack.gateway,
    stack.migrate,
    upgrade.upgrade,
):
    app.command()(command)

app.command(name="import")(caseload.import_)
app.command(name="signing-key")(tokens.signing_key)

for name, group in (
    ("pathways", pathways.pathways),
    ("inbound", inbound.inbound),
    ("endpoints", endpoints.endpoints),
    ("client", clients.client),
    ("directory", directory.directory),
    ("absence", directory.absence),
    ("on-call", directory.on_call),
):
    app.add_typer(group, name=name)


def main() -> None:
    """Do what the arguments say, and end the process."""
    try:
        code = app(standalone_mode=False) or 0
    except TyperException as mistake:
        words = mistake.format_message().rstrip(".\n ")
        # Without a command the help was printed already, and there are no words.
        code = mistaken(f"{words}; --help says how") if words else 2
    except (StackError, Mistake, DatabaseAway) as mistake:
        code = mistaken(str(mistake))
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1 if leaving.code else 0
    leave(code)
