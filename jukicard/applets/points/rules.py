"""Who may do what with a purse.

`SHOP`: a terminal of the municipality with the right `points`.  A payment between two cards needs no right: the
terminal between them is not trusted, and only has to stand under the municipality's root: nothing crosses in the clear.
"""

from __future__ import annotations

from jukicard.applets.points import layout
from jukicard.applets.service.rules import HOLDER, private, rules, terminal
from jukicard.iso7816.access import AccessMode, AllOf, AnyOf, ModeDo, Password, ResponseEnc, ResponseMac
from jukicard.securechannel.authorization import Right

SHOP = terminal(Right.POINTS)
WITH_PASSWORD = AllOf(HOLDER, Password(layout.PASSWORD), ResponseMac(), ResponseEnc())

MEMBER = rules((AccessMode.READ, HOLDER))
PURSE = rules(
    (AccessMode.READ, AnyOf(SHOP, WITH_PASSWORD)),
    (ModeDo.header(ins=layout.INS_ORDER, p1=layout.CREDIT), SHOP),
    (ModeDo.header(ins=layout.INS_ORDER, p1=layout.DEBIT), private(Right.POINTS, layout.PASSWORD)),
    (ModeDo.header(ins=layout.INS_INVITE), HOLDER),
    (ModeDo.header(ins=layout.INS_PAY), WITH_PASSWORD),
    (ModeDo.header(ins=layout.INS_RECEIVE), HOLDER),
    (ModeDo.header(ins=layout.INS_FINISH), HOLDER),
    (ModeDo.header(ins=layout.INS_CONFIRM), HOLDER),
)
PAYMENTS = rules((AccessMode.READ, WITH_PASSWORD))
