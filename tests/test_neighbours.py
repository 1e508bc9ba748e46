from __future__ import annotations

import numpy as np
import pytest
from test_cluster import on_a_line

from facecluster.identity import neighbours
from facecluster.identity.neighbours import connected, has_near


@pytest.mark.parametrize("block", [1, 10, 2**22])
def test_parts_are_chains_of_near_encodings(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", block)
    part = connected(on_a_line(0, 5, 0.9, 9, 5.9, 1.8), 1.0)
    assert (part[:, None] == part).astype(int).tolist() == [
        [1, 0, 1, 0, 0, 1],
        [0, 1, 0, 0, 1, 0],
        [1, 0, 1, 0, 0, 1],
        [0, 0, 0, 1, 0, 0],
        [0, 1, 0, 0, 1, 0],
        [1, 0, 1, 0, 0, 1],
    ]
    assert has_near(on_a_line(0, 2.05, 4), on_a_line(0.5, 3.1), 1.0).tolist() == [True, False, True]


def test_nothing_is_near_nothing() -> None:
    none, one = on_a_line(), on_a_line(0)
    assert len(connected(none, 1.0)) == len(has_near(none, one, 1.0)) == 0
    assert has_near(one, none, 1.0).tolist() == [False]
    assert np.unique(connected(one, 1.0)).size == 1
