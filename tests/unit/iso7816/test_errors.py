from __future__ import annotations

import copy
import pickle

import pytest

from jukicard.iso7816 import errors
from jukicard.iso7816.apdu import ResponseAPDU
from jukicard.iso7816.errors import CardStatusError, PasswordBlocked, PasswordWrong, check
from jukicard.iso7816.status import StatusWord


def test_ok_is_handed_through():
    response = ResponseAPDU(b"data")
    assert check(response, "read") is response
    warning = ResponseAPDU(b"data", StatusWord.END_OF_FILE)
    assert check(warning, "read", ok=(0x9000, 0x6282)) is warning
    with pytest.raises(CardStatusError):
        check(warning, "read")
    with pytest.raises(CardStatusError):
        check(response, "compare", ok=(StatusWord.NO_MATCH,))


@pytest.mark.parametrize(
    ("sw", "kind"),
    [
        (0x63C2, PasswordWrong),
        (0x63C0, PasswordWrong),
        (0x6983, PasswordBlocked),
        (0x6982, CardStatusError),
        (0x6300, CardStatusError),
        (0x6110, CardStatusError),
    ],
)
def test_status_words_become_exceptions(sw, kind):
    with pytest.raises(CardStatusError) as caught:
        check(ResponseAPDU(b"12345678901", StatusWord(sw)), "read EF.CODE")
    error = caught.value
    assert type(error) is kind
    assert error.sw == sw
    assert error.what == "read EF.CODE"
    text = str(error)
    assert text == f"read EF.CODE: {sw:04X} ({StatusWord(sw).description})"
    assert "12345678901" not in text + repr(error)


def test_tries_left():
    with pytest.raises(PasswordWrong) as caught:
        check(ResponseAPDU(b"", StatusWord(0x63C2)), "verify")
    assert caught.value.tries_left == 2


def test_errors_survive_copies_between_processes():
    error = errors.AuthenticationFailed("card cryptogram", "wrong keys")
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (twin.step, twin.reason, str(twin)) == (
            error.step,
            error.reason,
            "card cryptogram: wrong keys",
        )
    wrong = pickle.loads(pickle.dumps(PasswordWrong(StatusWord(0x63C1), "verify")))
    assert wrong.tries_left == 1


def test_families():
    for name in ("NoReader", "NoCard", "CardRemoved", "ReaderBusy", "ProtocolLimit"):
        assert issubclass(getattr(errors, name), errors.TransportError)
    for kind in (
        errors.TransportError,
        CardStatusError,
        errors.MalformedResponse,
        errors.AuthenticationFailed,
    ):
        assert issubclass(kind, errors.HostError)
    assert not issubclass(CardStatusError, errors.TransportError)
