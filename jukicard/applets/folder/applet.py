"""The folder on the chip: an application of a municipality's domain that is empty when it is installed.

Its owner, who holds the domain's keys, makes files and DFs, passwords and keys in it; ordinary hosts and terminals use
them under the rules that each of them carries.
"""

from __future__ import annotations

from typing import ClassVar

from jukicard.applets.folder import layout, rules
from jukicard.applets.gp.layout import LOAD_FILE
from jukicard.applets.service.applet import MunicipalService
from jukicard.card.commands import Guarded
from jukicard.card.context import Context
from jukicard.card.errors import CardError
from jukicard.card.files.commands import BinaryByObjects, CompareParts, EraseBinary, ReadBinary, UpdateBinary
from jukicard.card.files.dataobjects import DataObjectCommands
from jukicard.card.files.management import FileManagement
from jukicard.card.files.quota import Quota
from jukicard.card.files.records import RecordCommands, SearchRecord
from jukicard.card.files.structures import File
from jukicard.card.objects import LifeCycle
from jukicard.card.root import Root
from jukicard.card.security.environment import EnvironmentCommands
from jukicard.card.security.key_commands import AuthenticationCommands, KeyPairCommands, SignatureCommands
from jukicard.card.security.password_commands import PasswordCommands
from jukicard.card.security.reference_data import ReferenceDataCommands
from jukicard.iso7816.access import AccessMode, AccessRuleError, AccessRules
from jukicard.iso7816.aid import AID
from jukicard.iso7816.status import StatusWord
from jukicard.iso7816.tlv import Tlv, TlvError, parse_tlvs


class FolderApplet(
    ReadBinary,
    UpdateBinary,
    EraseBinary,
    CompareParts,
    BinaryByObjects,
    RecordCommands,
    SearchRecord,
    FileManagement,
    DataObjectCommands,
    PasswordCommands,
    ReferenceDataCommands,
    AuthenticationCommands,
    EnvironmentCommands,
    KeyPairCommands,
    SignatureCommands,
    MunicipalService,
):
    """A folder."""

    load_file: ClassVar[AID] = LOAD_FILE
    module: ClassVar[AID] = layout.MODULE
    label: ClassVar[str] = "Folder"
    initial_rules: ClassVar[AccessRules] = rules.INITIAL

    def install(self, ctx: Context, parameters: bytes) -> None:
        """Create an empty folder.  `parameters`: perhaps 80 quota (1 to 4 bytes), perhaps AB rules of its own DF."""
        quota, own_rules = _parameters(parameters)
        Root.create(ctx.area, AccessRules(), own_rules, LifeCycle.ACTIVATED)
        Quota.create(ctx.area, quota)

    def file_control(self, ctx: Context) -> tuple[Tlv, ...]:
        """Return the life cycle status and the access rules of the application's own DF."""
        return Root.of(ctx.area).control()

    def check_life_cycle(self, ctx: Context, target: Guarded, mode: AccessMode | None) -> None:
        """Refuse (6985) what the life cycle of the object, or of a DF that it lies in, does not allow."""
        if not isinstance(target, Root):
            super().check_life_cycle(ctx, Root.of(ctx.area), None)
        if isinstance(target, File):
            for around in ctx.files.along(target.path[:-1]):
                super().check_life_cycle(ctx, around, None)
        super().check_life_cycle(ctx, target, mode)


def _parameters(encoded: bytes) -> tuple[int, AccessRules]:
    try:
        parts = parse_tlvs(encoded)
        values = {part.tag: part.value for part in parts}
        own_rules = AccessRules.parse(values[layout.TAG_RULES]) if layout.TAG_RULES in values else rules.APPLICATION
    except (TlvError, AccessRuleError) as error:
        raise CardError(StatusWord.INCORRECT_DATA, str(error)) from None
    quota = values.get(layout.TAG_QUOTA, layout.DEFAULT_QUOTA.to_bytes(4))
    if len(values) != len(parts) or values.keys() - {layout.TAG_QUOTA, layout.TAG_RULES} or not 1 <= len(quota) <= 4:
        raise CardError(
            StatusWord.INCORRECT_DATA, "a folder is installed with 80 quota and AB rules, each once at most"
        )
    return int.from_bytes(quota), own_rules
