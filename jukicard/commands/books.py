"""`juki ledger …`: the books kept in order: upgraded, sealed, and their table of cards made anew."""

from __future__ import annotations

from pathlib import Path

import click

from jukicard.commands.attendance import operator_options
from jukicard.commands.heads import head_options, verified
from jukicard.commands.options import home_option, json_option, print_facts
from jukicard.commands.passwords import Source, authority_password
from jukicard.commands.session import Session, pass_session
from jukicard.issuer.authority.permissions import KEEP_BOOKS
from jukicard.issuer.errors import RuleRefused
from jukicard.issuer.operators.trust import HomeTrust

owner_option = click.option(
    "--url", metavar="postgresql://OWNER@HOST/DATABASE", help="The books in PostgreSQL, as the owner of the database."
)


@click.command
@owner_option
@click.option("--role", metavar="WRITER", help="The role in PostgreSQL that is to append, and cannot change anything.")
@home_option
@json_option
@pass_session
def migrate(session: Session, url: str | None, role: str | None, as_json: bool) -> None:
    """Bring the books up to this program's version.

    Books in the home's file: a copy is made beside it first, ledger.sqlite.VERSION.bak. Books in PostgreSQL: with --url
    and --role, as the owner, also to make them, before `juki authority init --ledger-url`. Everything happens in one
    transaction: an upgrade that fails leaves the books as they were. Books that are up to date stay as they are.

    \b
    Examples:
      juki ledger migrate
      juki ledger migrate --url postgresql://books_owner@db/books --role books_writer
    """
    from jukicard.issuer.ledger.upgrade import migrate as bring_up_to_date

    if (url is None) != (role is None):
        raise click.UsageError("--url and --role go together: the database's owner, and the role that appends")
    done = bring_up_to_date(url or _file_of(session), role)
    facts = {"before": done.before, "after": done.after, "copy": None if done.copy is None else str(done.copy)}
    print_facts(facts, as_json=as_json)


@click.command
@authority_password
@operator_options(KEEP_BOOKS)
@home_option
@json_option
@pass_session
def seal(session: Session, authority_password: Source, as_json: bool) -> None:
    """Let the authority sign for all entries, and print the head.

    It does so by itself every 256 entries, whenever its keys are open; this is for the evening, before the head is
    written down elsewhere.

    \b
    Example:
      juki ledger seal --authority-password-file authority.txt
    """
    with session.authority(None) as public:
        public.ledger.head()
    with session.authority(authority_password.read()) as authority, session.operator(authority):
        head = authority.ledger.seal()
    print_facts({"head": head, "sealed_up_to": int(head.partition(":")[0])}, as_json=as_json)


@click.command
@owner_option
@head_options
@home_option
@json_option
@pass_session
def rebuild(session: Session, url: str | None, kept: str | None, as_json: bool) -> None:
    """Make the table of cards anew from the entries, where only that was damaged.

    The entries are verified first, as by `juki ledger verify`; if anything is wrong with them, nothing is done. In
    PostgreSQL who appends cannot delete a card that no entry knows: --url lets the owner do it.

    \b
    Example:
      juki ledger rebuild --head-file /media/usb/head.txt
    """
    from jukicard.issuer.ledger.ledger import Ledger

    with session.authority(None) as authority:
        trust = HomeTrust(authority)
        if url is None:
            found = authority.ledger.rebuild(kept, trust)
        else:
            with Ledger.open_as_owner(url) as books:
                found = books.rebuild(kept, trust)
    print_facts(verified(found, kept), as_json=as_json)


def _file_of(session: Session) -> Path:
    """Return the file that the home's books are in. RuleRefused if they are in PostgreSQL."""
    with session.authority(None) as authority:
        place = authority.ledger_place
    if not isinstance(place, Path):
        raise RuleRefused(
            f"this home's books are in {place}: the owner of the database brings them up to date, with "
            "`juki ledger migrate --url postgresql://OWNER@HOST/DATABASE --role WRITER`"
        )
    return place
