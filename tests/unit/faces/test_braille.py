"""Braille of names.  The expected cells were written by hand from the rules, not made by the program."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jukicard.issuer.faces.braille import MAX_CELLS, BrailleError, Reading, braille, from_brf, propose, to_brf
from jukicard.issuer.faces.braille.table import BLANK, KANA

NAMES = """
ジュウキ タロウ      ジューキ　タロー        ⠘⠹⠒⠣⠀⠕⠚⠒
ミホン ハナコ        ミホン　ハナコ          ⠷⠮⠴⠀⠥⠅⠪
サトウ ユウコ        サトー　ユーコ          ⠱⠞⠒⠀⠬⠒⠪
スズキ イチロウ      スズキ　イチロー        ⠹⠐⠹⠣⠀⠃⠗⠚⠒
タカハシ ケンジ      タカハシ　ケンジ        ⠕⠡⠥⠳⠀⠫⠴⠐⠳
タナカ ヨウコ        タナカ　ヨーコ          ⠕⠅⠡⠀⠜⠒⠪
イトウ シュンスケ    イトー　シュンスケ      ⠃⠞⠒⠀⠈⠹⠴⠹⠫
ワタナベ ヒロシ      ワタナベ　ヒロシ        ⠄⠕⠅⠐⠯⠀⠧⠚⠳
ヤマモト リョウ      ヤマモト　リョー        ⠌⠵⠾⠞⠀⠈⠚⠒
ナカムラ キョウコ    ナカムラ　キョーコ      ⠅⠡⠽⠑⠀⠈⠪⠒⠪
コバヤシ シュウ      コバヤシ　シュー        ⠪⠐⠥⠌⠳⠀⠈⠹⠒
カトウ ジュンイチ    カトー　ジュンイチ      ⠡⠞⠒⠀⠘⠹⠴⠃⠗
ヨシダ ミチヨ        ヨシダ　ミチヨ          ⠜⠳⠐⠕⠀⠷⠗⠜
ササキ ショウタ      ササキ　ショータ        ⠱⠱⠣⠀⠈⠺⠒⠕
ヤマグチ チアキ      ヤマグチ　チアキ        ⠌⠵⠐⠩⠗⠀⠗⠁⠣
マツモト キヨシ      マツモト　キヨシ        ⠵⠝⠾⠞⠀⠣⠜⠳
イノウエ ヤスシ      イノ|ウエ　ヤスシ       ⠃⠎⠉⠋⠀⠌⠹⠳
マツウラ アヤ        マツ|ウラ　アヤ         ⠵⠝⠉⠑⠀⠁⠌
ミウラ トモカズ      ミウラ　トモカズ        ⠷⠉⠑⠀⠞⠾⠡⠐⠹
ウラベ クメコ        ウラベ　クメコ          ⠉⠑⠐⠯⠀⠩⠿⠪
オオヤマ マスミ      オオヤマ　マスミ        ⠊⠊⠌⠵⠀⠵⠹⠷
オオウチ マコト      オオ|ウチ　マコト       ⠊⠊⠉⠗⠀⠵⠪⠞
ヤマノウチ ユタカ    ヤマノ|ウチ　ユタカ     ⠌⠵⠎⠉⠗⠀⠬⠕⠡
フルウチ ケン        フル|ウチ　ケン         ⠭⠙⠉⠗⠀⠫⠴
カワウチ ルウ        カワウチ　ルー          ⠡⠄⠉⠗⠀⠙⠒
コウチ ミキ          コーチ　ミキ            ⠪⠒⠗⠀⠷⠣
コ|ウラ ジロウ       コ|ウラ　ジロー         ⠪⠉⠑⠀⠐⠳⠚⠒
コウノ タロウ        コーノ　タロー          ⠪⠒⠎⠀⠕⠚⠒
オオノ サトシ        オオノ　サトシ          ⠊⠊⠎⠀⠱⠞⠳
オウ サダハル        オー　サダハル          ⠊⠒⠀⠱⠐⠕⠥⠙
ソウマ ユウイチ      ソーマ　ユーイチ        ⠺⠒⠵⠀⠬⠒⠃⠗
コンドウ マサオミ    コンドー　マサオミ      ⠪⠴⠐⠞⠒⠀⠵⠱⠊⠷
エンドウ シュウサク  エンドー　シューサク    ⠋⠴⠐⠞⠒⠀⠈⠹⠒⠱⠩
アンドウ シンペイ    アンドー　シンペイ      ⠁⠴⠐⠞⠒⠀⠳⠴⠠⠯⠃
ハットリ ハンゾウ    ハットリ　ハンゾー      ⠥⠂⠞⠓⠀⠥⠴⠐⠺⠒
キッカワ モトハル    キッカワ　モトハル      ⠣⠂⠡⠄⠀⠾⠞⠥⠙
ニッタ ヨシサダ      ニッタ　ヨシサダ        ⠇⠂⠕⠀⠜⠳⠱⠐⠕
ホッタ マリ          ホッタ　マリ            ⠮⠂⠕⠀⠵⠓
ベップ アユミ        ベップ　アユミ          ⠐⠯⠂⠠⠭⠀⠁⠬⠷
キムラ ケイコ        キムラ　ケイコ          ⠣⠽⠑⠀⠫⠃⠪
シブサワ エイイチ    シブサワ　エイイチ      ⠳⠐⠭⠱⠄⠀⠋⠃⠃⠗
ニイジマ ジョウ      ニイジマ　ジョー        ⠇⠃⠐⠳⠵⠀⠘⠺⠒
ツジ マアサ          ツジ　マアサ            ⠝⠐⠳⠀⠵⠁⠱
ミヤケ トオル        ミヤケ　トオル          ⠷⠌⠫⠀⠞⠊⠙
ミドリ チヅコ        ミドリ　チヅコ          ⠷⠐⠞⠓⠀⠗⠐⠝⠪
チヂワ ミゲル        チヂワ　ミゲル          ⠗⠐⠗⠄⠀⠷⠐⠫⠙
キョウゴク ジュリア  キョーゴク　ジュリア    ⠈⠪⠒⠐⠪⠩⠀⠘⠹⠓⠁
ヒャクタケ ユカ      ヒャクタケ　ユカ        ⠈⠥⠩⠕⠫⠀⠬⠡
ヒュウガ アオイ      ヒューガ　アオイ        ⠈⠭⠒⠐⠡⠀⠁⠊⠃
リュウ ミャオ        リュー　ミャオ          ⠈⠙⠒⠀⠈⠵⠊
ヌノメ レン          ヌノメ　レン            ⠍⠎⠿⠀⠛⠴
セキネ ヘイタ        セキネ　ヘイタ          ⠻⠣⠏⠀⠯⠃⠕
モリ ソラ            モリ　ソラ              ⠾⠓⠀⠺⠑
みうら ゆうこ        ミウラ　ユーコ          ⠷⠉⠑⠀⠬⠒⠪
ﾔﾏﾀﾞ ﾀﾛｳ             ヤマダ　タロー          ⠌⠵⠐⠕⠀⠕⠚⠒
ヱビス ヰト          ヱビス　ヰト            ⠖⠐⠧⠹⠀⠆⠞
ピョートル           ピョートル              ⠨⠮⠒⠞⠙
ジョン・スミス       ジョン　スミス          ⠘⠺⠴⠀⠹⠷⠹
フェルナンデス       フェルナンデス          ⠢⠯⠙⠅⠴⠐⠟⠹
ヴィクトリア         ヴィクトリア            ⠲⠧⠩⠞⠓⠁
ヴラド               ヴラド                  ⠐⠉⠑⠐⠞
ヴェロニカ           ヴェロニカ              ⠲⠯⠚⠇⠡
ティナ ターナー      ティナ　ターナー        ⠈⠗⠅⠀⠕⠒⠅⠒
ディアナ ロス        ディアナ　ロス          ⠘⠗⠁⠅⠀⠚⠹
ファン ニ            ファン　ニ              ⠢⠥⠴⠀⠇
フィリップ           フィリップ              ⠢⠧⠓⠂⠠⠭
フォン ヒエン        フォン　ヒエン          ⠢⠮⠴⠀⠧⠋⠴
ウィリアム           ウィリアム              ⠢⠃⠓⠁⠽
ウェイ シュエ        ウェイ　シュエ          ⠢⠋⠃⠀⠈⠹⠋
チェ ゲバラ          チェ　ゲバラ            ⠈⠟⠀⠐⠫⠐⠥⠑
シェリー             シェリー                ⠈⠻⠓⠒
ジェームズ           ジェームズ              ⠘⠻⠒⠽⠐⠹
トゥアン             トゥアン                ⠢⠝⠁⠴
ドゥテルテ           ドゥテルテ              ⠲⠝⠟⠙⠟
ツェツィーリア       ツェツィーリア          ⠢⠟⠢⠗⠒⠓⠁
デュマ               デュマ                  ⠸⠝⠵
グエン バン          グエン　バン            ⠐⠩⠋⠴⠀⠐⠥⠴
クァク ヨン          クァク　ヨン            ⠢⠡⠩⠀⠜⠴
アン゠リー           アン゠リー              ⠁⠴⠤⠓⠒
アオキ 3アキ         アオキ　3アキ           ⠁⠊⠣⠀⠼⠉⠤⠁⠣
ジョン Bヤマ         ジョン　Bヤマ           ⠘⠺⠴⠀⠰⠠⠃⠤⠌⠵
ジョ JFケン          ジョ　JFケン            ⠘⠺⠀⠰⠠⠠⠚⠋⠤⠫⠴
"""

FIFTY = """
アイウエオ ⠁⠃⠉⠋⠊ カキクケコ ⠡⠣⠩⠫⠪ サシスセソ ⠱⠳⠹⠻⠺ タチツテト ⠕⠗⠝⠟⠞ ナニヌネノ ⠅⠇⠍⠏⠎ ハヒフヘホ ⠥⠧⠭⠯⠮
マミムメモ ⠵⠷⠽⠿⠾ ヤユヨ ⠌⠬⠜ ラリルレロ ⠑⠓⠙⠛⠚ ワヰヱヲン ⠄⠆⠖⠔⠴ ッー ⠂⠒
"""
"""The fifty sounds, as the tables for learners have them."""

SMALL = "ァィゥェォャュョヮ"


def rows() -> list[tuple[str, str, str]]:
    found = [re.split(r" {2,}| (?=[⠀-⣿])", line) for line in NAMES.strip().splitlines()]
    return [(kana, reading, cells) for kana, reading, cells in found]


@pytest.mark.parametrize(("kana", "reading", "cells"), rows(), ids=[kana for kana, _, _ in rows()])
def test_names(kana: str, reading: str, cells: str) -> None:
    written = braille(propose(kana))
    assert (written.reading.text, written.unicode) == (reading, cells)
    assert written.fitting() is written


def test_there_are_names_enough() -> None:
    assert len({cells for _, _, cells in rows()}) >= 60


def test_the_fifty_sounds() -> None:
    parts = FIFTY.split()
    expected = {
        kana: cell
        for row, cells in zip(parts[::2], parts[1::2], strict=True)
        for kana, cell in zip(row, cells, strict=True)
    }
    assert {kana: KANA[kana] for kana in expected} == expected
    assert len(expected) == 50


def test_what_stands_before_a_kana_has_a_cell_of_its_own() -> None:
    """濁音符 dot 5, 半濁音符 dot 6, 拗音符 dot 4, and together; 26 and 256 and 456 for foreign sounds."""
    expected = {
        "ガ": "⠐⠡",
        "ジ": "⠐⠳",
        "ヂ": "⠐⠗",
        "ヅ": "⠐⠝",
        "ボ": "⠐⠮",
        "パ": "⠠⠥",
        "ヴ": "⠐⠉",
        "キャ": "⠈⠡",
        "リョ": "⠈⠚",
        "ギュ": "⠘⠩",
    }
    expected |= {
        "ヂャ": "⠘⠕",
        "ビョ": "⠘⠮",
        "ピャ": "⠨⠥",
        "ピュ": "⠨⠭",
        "テュ": "⠨⠝",
        "フュ": "⠨⠬",
        "ヴョ": "⠸⠜",
        "グァ": "⠲⠡",
        "イェ": "⠈⠋",
        "スィ": "⠈⠳",
    }
    assert {kana: KANA[kana] for kana in expected} == expected


def test_cells_tell_sounds_apart() -> None:
    """Only クヮ and グヮ are other spellings of クァ and グァ."""
    cells = [written for kana, written in KANA.items() if kana not in ("クヮ", "グヮ")]
    assert len(set(cells)) == len(cells)


def test_every_doubtful_u_is_told() -> None:
    """The operator confirms; what is to be looked at, and what to write instead, is said."""
    notes = [str(decision) for decision in propose("イノウエ コウジ").decisions]
    assert [("ノ|ウ" in notes[0], "ノー" in notes[0]), ("コー" in notes[1], "コ|ウ" in notes[1])] == [(True, True)] * 2
    assert propose("ミウラ アキラ").decisions == ()


def test_a_given_name_ends_in_a_long_vowel_where_a_family_name_would_not() -> None:
    assert propose("ヤマ マツウラ").text == "ヤマ　マツーラ"


@pytest.mark.parametrize(
    ("kana", "named"),
    [
        ("山田 タロウ", "U+5C71"),
        ("ヤマダ タロウ!", "U+0021"),
        ("ミェ", "U+30A7 (ェ) has no cells in kana braille where it stands"),
        ("ァ", "U+30A1"),
        ("ヤヽ", "U+30FD"),
        ("カ゚", "U+309A"),
        ("ヵ", "U+30F5"),
    ],
)
def test_what_braille_cannot_write_is_named(kana: str, named: str) -> None:
    with pytest.raises(BrailleError, match=re.escape(named)):
        propose(kana)


@pytest.mark.parametrize("nothing", ["", "　 ", "・", "| |"])
def test_nothing_is_refused(nothing: str) -> None:
    with pytest.raises(BrailleError, match="nothing"):
        propose(nothing)


def test_eleven_cells_fit_and_twelve_say_what_to_do() -> None:
    """The dots of ゛ are a cell: six kana, five of them voiced, are eleven."""
    assert len(braille(propose("ガガガガガカ")).fitting().unicode) == MAX_CELLS == 11
    with pytest.raises(BrailleError, match=r"12 cells.*shorter reading"):
        braille(propose("ガガガガガガ")).fitting()


def tried(kana: str) -> tuple[Reading | None, str]:
    try:
        return propose(kana), ""
    except BrailleError as error:
        return None, str(error)


def normalised(kana: str) -> str:
    wide = unicodedata.normalize("NFKC", kana)
    return wide + "".join(chr(ord(char) + 0x60) for char in wide)


@given(st.text(st.sampled_from([chr(code) for code in range(0x3041, 0x3100)] + list("ｱｶﾞﾊﾟｯ |　19Az")), max_size=14))
def test_any_kana_gives_cells_of_the_table_or_names_a_character(kana: str) -> None:
    reading, refused = tried(kana)
    if reading is None:
        named = re.match(r"U\+([0-9A-F]{4})", refused)
        assert chr(int(named.group(1), 16)) in normalised(kana) if named else "nothing to write" in refused
        return
    written = braille(reading)
    for sign in written.signs:
        assert sign.cells == KANA.get(sign.text, sign.cells)
        assert sign.text in KANA or sign.text in (" ", "゠") or sign.text.isascii()
    assert all(BLANK <= cell <= "⠿" for cell in written.unicode)
    assert propose(reading.text).text == reading.text, "what was confirmed is not interpreted again"
    assert from_brf(written.brf) == written.unicode


@given(st.text(st.characters(min_codepoint=0x2800, max_codepoint=0x283F)))
def test_brf_round_trip(cells: str) -> None:
    brf = to_brf(cells)
    assert brf.isascii()
    assert from_brf(brf) == from_brf(brf.lower()) == cells


def test_brf_is_the_north_american_code() -> None:
    """The alphabet's cells are its letters, and the digits stand for those of the lowered ones."""
    assert to_brf("⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵") == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert to_brf("⠂⠆⠒⠲⠢⠖⠶⠦⠔⠴ ⠼⠐⠠⠈⠤".replace(" ", "⠀")) == '1234567890 #",@-'
