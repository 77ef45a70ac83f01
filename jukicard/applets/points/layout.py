"""Community points (地域ポイント), a municipal service: names and numbers of its files, password, key and commands."""

from __future__ import annotations

from jukicard.iso7816.aid import AID

SERVICE_NUMBER = 4
MODULE = AID.from_hex("F0 4A 55 4B 49 03 00 04")

EF_MEMBER = 0x0001
EF_CENTRE = 0x0002
EF_PURSE = 0x0003
EF_PAYMENT = 0x0004
EF_RECEIVED = 0x0005

MAX_RECEIVED = 16
"""Payments that the card has received and whose payer has not yet been shown to know."""

PASSWORD = 0x81
PASSWORD_DIGITS = 4
PASSWORD_TRIES = 3

KEY = 0x82

MEMBER_SIZE, POINT_SIZE = 8, 65

INS_ORDER, INS_INVITE, INS_PAY, INS_RECEIVE, INS_FINISH, INS_CONFIRM = 0x30, 0x32, 0x34, 0x36, 0x38, 0x3A

CREDIT, DEBIT = 0x01, 0x02
"""P1 of ORDER."""
ACCEPT, REFUSE = 0x00, 0x01
"""P1 of RECEIVE."""
