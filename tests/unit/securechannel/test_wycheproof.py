"""Known answers of Project Wycheproof (C2SP/wycheproof, testvectors_v1, commits 061657f1 and 1295cf54), by their tcId.

Taken are the vectors that meet code of this project: CMAC through `kdf`, and what a hostile peer may send as its point.
"""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from jukicard.securechannel.kdf import aes_cmac
from jukicard.securechannel.scp11 import KeyAgreementError, decode_point

# aes_cmac_test.json: tcId, key, message, tag
CMAC = [
    (1, "e34f15c7bd819930fe9d66e0c166e61c", "", "d47afca1d857a5933405b1eb7a5cb7af"),
    (2, "e1e726677f4893890f8c027f9d8ef80d", "3f", "15f856bbed3b321952a584b3c4437a63"),
    (9, "48f0d03e41cc55c4b58f737b5acdea32", "f4a133aa6d5985a0", "1f1cd0327c02e6d00086915937dd61d9"),
    (16, "501d81ebf912ddb87fbe3b7aac1437bc", "2368e3c3636b5e8e94d2081adbf798", "aeb784a3825168ddd61f72d0202125e6"),
    (17, "e09eaa5a3f5e56d279d5e7a03373f6ea", "ef4eab37181f98423e53e947e7050fd0", "40facf0e2fb51b73a7472681b033d6dc"),
    (18, "831e664c9e3f0c3094c0b27b9d908eb2", "26603bb76dd0a0180791c4ed4d3b058807", "a8144c8b24f2aa47d9c160cff4ab1716"),
    (
        20,
        "fda6a01194beb462953d7e6c49b32dac",
        "f60ae3b036abcab78c98fc1d4b67970c0955cb6fe24483f8907fd73319679b",
        "1f0f8124ab6c832e87684bac701544c1",
    ),
    (
        21,
        "9bd3902ed0996c869b572272e76f3889",
        "a7ba19d49ee1ea02f098aa8e30c740d893a4456ccc294040484ed8a00a55f93e",
        "45082218c2d05eef32247feb1133d0a3",
    ),
]

# ecdh_secp256r1_ecpoint_test.json: tcId, point, private key, shared secret; the edges of the secret's range
AGREEMENTS = [
    (
        1,
        "0462d5bd3372af75fe85a040715d0f502428e07046868b0bfdfa61d731afe44f26"
        "ac333a93a9e70a81cd5a95b5bf8d13990eb741c8c38872b4a07d275a014e30cf",
        "0612465c89a023ab17855b0a6bcebfd3febb53aef84138647b5352e02c10c346",
        "53020d908b0219328b658b525f26780e3ae12bcd952bb25a93bc0895e1714285",
    ),
    (
        3,
        "0458fd4168a87795603e2b04390285bdca6e57de6027fe211dd9d25e2212d29e62"
        "080d36bd224d7405509295eed02a17150e03b314f96da37445b0d1d29377d12c",
        "0a0d622a47e48f6bc1038ace438c6f528aa00ad2bd1da5f13ee46bf5f633d71a",
        "00" * 32,
    ),
    (
        4,
        "04a1ecc24bf0d0053d23f5fd80ddf1735a1925039dc1176c581a7e795163c8b9ba"
        "2cb5a4e4d5109f4527575e3137b83d79a9bcb3faeff90d2aca2bed71bb523e7e",
        "0a0d622a47e48f6bc1038ace438c6f528aa00ad2bd1da5f13ee46bf5f633d71a",
        "ffffffff00000001000000000000000000000000fffffffffffffffffffffffc",
    ),
    (
        6,
        "0408d6148d0244d243b3d0d1777de6375fa7ebeab477f19915d05994db04df2197"
        "27737d4f8ce0a7f390becce92b2bcd5c054f18ecb58e5dd59baf88b4ed6abea8",
        "0a0d622a47e48f6bc1038ace438c6f528aa00ad2bd1da5f13ee46bf5f633d71a",
        "0000000000000000000000000000000000000000000000000000000100000000",
    ),
]

_ZERO, _ONE = "00" * 32, "00" * 31 + "01"
_P_LESS_1 = "ffffffff00000001000000000000000000000000fffffffffffffffffffffffe"
_P = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"

# The same file: points that are not on the curve (333-347), encodings that are none or compressed (2, 348-355)
REFUSED = [
    (number, "04" + x + y)
    for number, (x, y) in enumerate(
        ((x, y) for x in (_ZERO, _ONE, _P_LESS_1, _P) for y in (_ZERO, _ONE, _P_LESS_1, _P)), start=332
    )
] + [
    (2, "0362d5bd3372af75fe85a040715d0f502428e07046868b0bfdfa61d731afe44f26"),
    (348, ""),
    (349, "02fd4bf61763b46581fd9174d623516cf3c81edd40e29ffa2777fb6cb0ae3ce535"),
    (350, "03efdde3b32872a9effcf3b94cbf73aa7b39f9683ece9121b9852167f4e3da609b"),
    (353, "0318f9bae7747cd844e98525b7ccd0daf6e1d20a818b2175a9a91e4eae5343bc98"),
]


@pytest.mark.parametrize(("key", "message", "tag"), [case[1:] for case in CMAC], ids=[f"tc{case[0]}" for case in CMAC])
def test_cmac(key: str, message: str, tag: str) -> None:
    assert aes_cmac(bytes.fromhex(key), bytes.fromhex(message)).hex() == tag


@pytest.mark.parametrize(
    ("point", "private", "shared"), [case[1:] for case in AGREEMENTS], ids=[f"tc{case[0]}" for case in AGREEMENTS]
)
def test_agreement(point: str, private: str, shared: str) -> None:
    key = ec.derive_private_key(int(private, 16), ec.SECP256R1())
    assert key.exchange(ec.ECDH(), decode_point(bytes.fromhex(point))).hex() == shared


@pytest.mark.parametrize("point", [case[1] for case in REFUSED], ids=[f"tc{case[0]}" for case in REFUSED])
def test_points_that_are_refused(point: str) -> None:
    with pytest.raises(KeyAgreementError):
        decode_point(bytes.fromhex(point))
