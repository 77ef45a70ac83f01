"""Chapter 7, third part: a session that somebody has recorded, played to the card once more."""

from __future__ import annotations

from dataclasses import replace

from jukicard.commands.demo.desk import Desk
from jukicard.commands.demo.narrator import Narrator
from jukicard.commands.demo.scene import Scene
from jukicard.iso7816.cla import ClassByte, SecureMessaging
from jukicard.iso7816.status import StatusWord
from jukicard.issuer.counter.authentication import authenticate
from jukicard.reader.recording import Exchange, Recorder

MUTUAL_AUTHENTICATE = b"\x80\x82"
BAD_PROTECTION = StatusWord.SM_OBJECTS_INCORRECT


def replay(scene: Scene, narrator: Narrator) -> None:
    """Record an authentication, reset the card, and send every command again."""
    with scene.on_desk("7-replay") as desk:
        narrator.step("A recorded session replayed, every command of it, after a reset")
        recorded = _record(scene, desk)
        desk.connection.reset()
        tries = scene.tries_left(desk)
        desk.connection.reset()
        answers = [desk.connection.transmit(exchange.command) for exchange in recorded]
        secured = [answer for exchange, answer in zip(recorded, answers, strict=True) if _protected(exchange.command)]
        narrator.note(f"{len(recorded)} commands, the last {len(secured)} of them protected")
        code = scene.order.record.resident_code.reveal().encode()
        narrator.proof(
            "the card's answer to the handshake is another one: its key is fresh, the old session's keys fit no more",
            holds=_handshake_differs(recorded, answers),
        )
        narrator.proof(
            f"not one of {len(secured)} protected commands was answered with data or with success",
            holds=bool(secured) and all(_is_bare_refusal(answer) for answer in secured),
        )
        narrator.proof("the resident code is in no answer", holds=all(code not in answer for answer in answers))
        narrator.proof(f"no try was spent: {tries} left", holds=tries == scene.tries_left(desk) == 3)
        first = StatusWord.from_bytes(secured[0])
        if first is not BAD_PROTECTION:
            raise narrator.broken(f"the first protected command was refused with {first:04X}, not {BAD_PROTECTION:04X}")
        narrator.outcome(f"refused by the card at: the first protected command ({first:04X})")


def _record(scene: Scene, desk: Desk) -> list[Exchange]:
    recorder = Recorder(desk.connection)
    authenticate(scene.dialogue(replace(desk, connection=recorder)), scene.passwords.holder)
    return [step for step in recorder.dialogue().steps if isinstance(step, Exchange)]


def _handshake_differs(recorded: list[Exchange], answers: list[bytes]) -> bool:
    """Return whether MUTUAL AUTHENTICATE was replayed, and answered with success, but not as it had been."""
    replayed = [
        (exchange, answer)
        for exchange, answer in zip(recorded, answers, strict=True)
        if exchange.command[:2] == MUTUAL_AUTHENTICATE
    ]
    return len(replayed) == 1 and all(
        answer[-2:] == b"\x90\x00" and not exchange.response.matches(answer) for exchange, answer in replayed
    )


def _protected(command: bytes) -> bool:
    return ClassByte.parse(command[0]).secure_messaging is not SecureMessaging.NONE


def _is_bare_refusal(answer: bytes) -> bool:
    return len(answer) == 2 and StatusWord.from_bytes(answer).is_error
