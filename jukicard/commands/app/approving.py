"""`juki app approve`: the municipality looks at an application and signs what it may do."""

from __future__ import annotations

from pathlib import Path

import click

from jukicard.commands.attendance import operator_options
from jukicard.commands.options import card_file_options, home_option, json_option, print_facts
from jukicard.commands.passwords import Source, authority_password
from jukicard.commands.session import Session, pass_session
from jukicard.iso7816.limits import ApplicationRight, Limits
from jukicard.issuer.authority.permissions import APPROVE
from jukicard.issuer.municipal.approvals import Application, approve
from jukicard.issuer.municipal.ordinance import purposes
from jukicard.sdk.project import NAME, Project

APPROVED_SUFFIX = ".approved"
MOST = 0xFFFFFFFF
RIGHTS = {right.name.lower(): right for right in ApplicationRight if right.name}


@click.command(name="approve")
@click.argument("application", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--purpose", required=True, help="What for, by a name of the ordinance (juki authority ordinance).")
@click.option("--storage", type=click.IntRange(0, MOST), help="Bytes it may store (else what its app.toml asks for).")
@click.option("--memory", type=click.IntRange(1, MOST), help="Bytes of volatile memory (else as app.toml asks).")
@click.option("--right", "rights", multiple=True, type=click.Choice(list(RIGHTS)), help="Else as app.toml asks.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Else beside it, as NAME.approved.")
@operator_options(APPROVE)
@authority_password
@card_file_options
@home_option
@json_option
@pass_session
def approve_(
    session: Session,
    application: Path,
    purpose: str,
    storage: int | None,
    memory: int | None,
    rights: tuple[str, ...],
    out: Path | None,
    authority_password: Source,
    as_json: bool,
) -> None:
    """Approve an application for a purpose of the ordinance: only then the municipality's cards take it.

    The approval states the load file's AID and version, the purpose, the digest of the code, and what it may use:
    storage, volatile memory, and rights (files, cryptography, interfaces). It is signed, and so is the load file
    (DAP). What is not said here is taken from the app.toml beside the application, or in the folder above it.

    \b
    Examples:
      juki app approve stamps/build/stamps.app --purpose facilities
      juki app approve stamps.app --purpose library --storage 2048 --memory 65536 --right counters --right contact
    """
    wanted = Application.parse(application.read_bytes())
    limits = _limits(application, storage, memory, rights)
    with session.authority(authority_password.read()) as authority, session.operator(authority):
        approved = approve(authority, wanted, purpose, limits)
        title = purposes(authority.home)[purpose]
    path = out or application.with_suffix(APPROVED_SUFFIX)
    path.write_bytes(approved.encode())
    facts = {"approved": str(path), **described(approved, limits), "purpose": purpose, "purpose_title": title}
    print_facts(facts, as_json=as_json)


def described(application: Application, limits: Limits) -> dict[str, object]:
    """Return what there is to say of an application and its limits, as facts."""
    return {
        "load_file": str(application.load_file),
        "modules": [module.label for module in application.data_block.modules],
        "version": application.data_block.version,
        "digest": application.structure.digest.hex(),
        "storage": limits.storage,
        "memory": limits.memory,
        "rights": [name for name, right in RIGHTS.items() if right in limits.rights],
    }


def _limits(application: Path, storage: int | None, memory: int | None, rights: tuple[str, ...]) -> Limits:
    folders = (application.parent, application.parent.parent)
    found = next((Project.read(folder).limits for folder in folders if (folder / NAME).exists()), None)
    if found is None and (storage is None or memory is None or not rights):
        raise click.UsageError(f"there is no {NAME} beside it: --storage, --memory and --right say what it may use")
    limits = found or Limits(0, 0)
    given = {name: value for name, value in (("storage", storage), ("memory", memory)) if value is not None}
    granted = ApplicationRight(sum(RIGHTS[name] for name in set(rights))) if rights else limits.rights
    return limits._replace(rights=granted, **given)
