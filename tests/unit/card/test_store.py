"""The store in memory: what is under a prefix, whatever was written and removed before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jukicard.card.store import CellNames, MemoryStore

NAMES = st.sampled_from(["a", "a/1", "a/10", "a/1/x", "a/2", "b", "a0", "a.", "zz"])
CONTENT = st.one_of(st.none(), st.binary(max_size=2))


@given(start=st.dictionaries(NAMES, st.binary(max_size=2)), commits=st.lists(st.dictionaries(NAMES, CONTENT)))
def test_the_names_under_a_prefix_are_those_of_the_cells_that_are_there(
    start: dict[str, bytes], commits: list[dict[str, bytes | None]]
) -> None:
    store = MemoryStore(start)
    expected: dict[str, bytes] = dict(start)
    for changes in commits:
        store.commit(changes)
        for name, content in changes.items():
            if content is None:
                expected.pop(name, None)
            else:
                expected[name] = content
    assert store.snapshot() == expected
    for prefix in ("", "a", "a/", "a/1", "b", "c", "zzz"):
        assert list(store.cells(prefix)) == sorted(name for name in expected if name.startswith(prefix))


def test_names_are_found_without_a_look_at_the_others() -> None:
    looked_at: list[str] = []

    class Watched(str):
        def __lt__(self, other: str) -> bool:
            looked_at.append(str(self))
            return super().__lt__(other)

    names = CellNames(Watched(f"{letter}/{number}") for letter in "abc" for number in range(100))
    looked_at.clear()
    assert len(names.under("b/7")) == 11
    assert 0 < len(looked_at) <= 2 * (300).bit_length()
