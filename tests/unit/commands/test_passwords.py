"""Passwords come from prompts, private files and descriptors, and nothing else; four digits for the holder's."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest

from jukicard.commands.passwords import Source
from tests.support.desk import Desk, private_file
from tests.support.issued import AUTHORITY_PASSWORD, PASSWORD


def source(path: Path) -> Source:
    return Source("password", "Holder's password", file=path)


def piped(content: bytes) -> int:
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    return reading


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o610, 0o700])
def test_a_file_that_others_may_open_is_refused(tmp_path: Path, mode: int) -> None:
    path = private_file(tmp_path / "password", "1234\n")
    path.chmod(mode)
    with pytest.raises(click.UsageError, match="mode must be 0600"):
        source(path).read()


@pytest.mark.parametrize("content", ["1234", "1234\n", "1234\r\n", "1234\nsecond line\n"])
def test_the_first_line_of_a_private_file_is_the_password(tmp_path: Path, content: str) -> None:
    assert source(private_file(tmp_path / "password", content)).read_digits() == "1234"


@pytest.mark.parametrize("content", ["", "\n", "x" * 1025])
def test_a_file_without_a_usable_line_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(click.UsageError, match="1 to 1024 bytes"):
        source(private_file(tmp_path / "password", content)).read()


@pytest.mark.parametrize("content", ["123", "12345", "12a4", "１２３４", "12 4", "-123"])
def test_the_holders_password_has_four_digits(tmp_path: Path, content: str) -> None:
    with pytest.raises(click.UsageError, match="4 digits") as caught:
        source(private_file(tmp_path / "password", content)).holder()
    assert content not in str(caught.value)


def test_several_passwords_may_stand_in_one_pipe_a_line_each() -> None:
    descriptor = piped("1234\nどうぞ\n".encode())
    try:
        assert Source("password", "Password", descriptor=descriptor).read() == "1234"
        assert Source("authority-password", "Password", descriptor=descriptor).read() == "どうぞ"
        with pytest.raises(click.UsageError):
            Source("new-password", "Password", descriptor=descriptor).read()
    finally:
        os.close(descriptor)


def test_what_is_no_descriptor_or_no_text_is_a_usage_error() -> None:
    with pytest.raises(click.UsageError, match="cannot be read"):
        Source("password", "Password", descriptor=999).read()
    with pytest.raises(click.UsageError, match="UTF-8"):
        Source("password", "Password", descriptor=piped(b"\xff\xfe\n")).read()


def test_a_file_and_a_descriptor_exclude_each_other(active: Desk) -> None:
    result = active.run("auth", "--reader", active.reader, *active.holder, "--password-fd", "0")
    assert result.exit_code == 2
    assert "exclude each other" in result.output


def test_a_public_file_is_refused_before_the_card_is_touched(active: Desk) -> None:
    (active.folder / "holder.txt").chmod(0o644)
    before = active.card.read_bytes()
    result = active.run("auth", "--reader", active.reader, *active.holder, *active.authority)
    assert result.exit_code == 2
    assert "0600" in result.output
    assert active.card.read_bytes() == before


def test_prompts_ask_without_echo_and_on_standard_error(active: Desk) -> None:
    result = active.run("auth", "--reader", active.reader, input=f"{AUTHORITY_PASSWORD}\n{PASSWORD}\n")
    assert result.exit_code == 0, result.output
    assert "Authority's password" in result.stderr
    assert "Holder's password (4 digits)" in result.stderr
    assert "password:" not in result.stdout
    assert PASSWORD not in result.output
    assert AUTHORITY_PASSWORD not in result.output


def test_a_prompted_password_of_another_form_is_asked_for_again(active: Desk) -> None:
    result = active.run("auth", "--reader", active.reader, *active.authority, input=f"12\n{PASSWORD}\n")
    assert result.exit_code == 0, result.output
    assert "It has 4 digits." in result.stderr


def test_a_new_password_is_asked_for_twice(awaiting: Desk) -> None:
    words = ("handover", "--reader", awaiting.reader, *awaiting.authority)
    result = awaiting.run(*words, input="1234\n1235\n1234\n1234\n")
    assert result.exit_code == 0, result.output
    assert "do not match" in result.stderr


def test_without_anybody_to_ask_it_says_which_option_to_use(active: Desk) -> None:
    result = active.run("auth", "--reader", active.reader, input="")
    assert result.exit_code == 2
    assert "--authority-password-file" in result.stderr


@pytest.mark.parametrize("name", ["password", "authority-password", "new-password", "pin"])
def test_no_option_takes_a_password_as_its_value(active: Desk, name: str) -> None:
    assert active.run("auth", "--reader", active.reader, f"--{name}", "1234").exit_code == 2
