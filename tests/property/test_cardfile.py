"""A card file against a dict, through commits, closings, kills and foreign keys."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from jukicard.reader.cardfile import CardFile, CardFileBusy, WrongStorageKey, card_id_of

KEY = bytes(range(7, 39))
NAMES = st.one_of(
    st.sampled_from(["a", "a/b", "a/c", "b", "tries", "x" * 200, "\x00", "\x7f"]),
    st.text(st.characters(max_codepoint=127), min_size=1, max_size=8),
)
CONTENTS = st.one_of(st.binary(max_size=40), st.integers(1000, 9000).map(bytes))
CHANGES = st.dictionaries(NAMES, st.one_of(CONTENTS, st.none()), max_size=6)


class CardFileIsADict(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "card.juki"

    @initialize(cells=st.dictionaries(NAMES, CONTENTS, max_size=6), card_id=st.binary(min_size=1, max_size=64))
    def create(self, cells: Mapping[str, bytes], card_id: bytes) -> None:
        self.card = CardFile.create(self.path, KEY, cells, card_id=card_id)
        self.card_id = card_id
        self.model = dict(cells)

    @rule(changes=CHANGES, durable=st.booleans())
    def commit(self, changes: Mapping[str, bytes | None], durable: bool) -> None:
        commits = self.card.commits
        self.card.commit(changes, durable=durable)
        self.model |= {name: content for name, content in changes.items() if content is not None}
        for name in [name for name, content in changes.items() if content is None]:
            self.model.pop(name, None)
        assert self.card.commits == commits + 1 or not changes

    @rule()
    def close_and_open(self) -> None:
        reached = self.card.commits
        self.card.close()
        assert os.listdir(self.folder) == ["card.juki"]
        self.card = CardFile.open(self.path, KEY, not_before=reached)

    @rule()
    def be_killed(self) -> None:
        """What a killed program leaves is what the files hold at that moment."""
        killed = self.folder / "killed"
        for end in ("", "-wal"):
            if Path(f"{self.path}{end}").exists():
                shutil.copy(f"{self.path}{end}", f"{killed}{end}")
        self.card.close()
        for end in ("", "-wal"):
            if Path(f"{killed}{end}").exists():
                os.replace(f"{killed}{end}", f"{self.path}{end}")
        self.card = CardFile.open(self.path, KEY)

    @rule()
    def others_are_kept_out(self) -> None:
        with pytest.raises(CardFileBusy):
            CardFile.open(self.path, KEY)
        assert card_id_of(self.path) == self.card_id

    @rule()
    def a_wrong_key_is_refused(self) -> None:
        self.card.close()
        with pytest.raises(WrongStorageKey):
            CardFile.open(self.path, KEY[::-1])
        self.card = CardFile.open(self.path, KEY)

    @rule(key=st.binary(min_size=32, max_size=32))
    def move_to_another_key(self, key: bytes) -> None:
        other = self.folder / "other"
        with CardFile.create(other, key, self.card.snapshot(), card_id=self.card_id) as card:
            assert card.snapshot() == self.model
        other.unlink()

    @rule(prefix=NAMES)
    def names_by_prefix(self, prefix: str) -> None:
        expected = sorted(name for name in self.model if name.startswith(prefix))
        assert list(self.card.cells(prefix)) == expected

    @invariant()
    def same(self) -> None:
        if hasattr(self, "model"):
            assert self.card.snapshot() == self.model
            assert list(self.card.cells()) == sorted(self.model)
            for name in (*self.model, "absent"):
                assert self.card.read(name) == self.model.get(name)

    def teardown(self) -> None:
        if hasattr(self, "card"):
            self.card.close()
        shutil.rmtree(self.folder)


TestCardFileIsADict = CardFileIsADict.TestCase
TestCardFileIsADict.settings = settings(max_examples=25, stateful_step_count=20)
