from __future__ import annotations

import numpy as np
import tables

from facecluster.encoding.analysis import FACE, Analysis, Row, make_table, pack, rows_of, unpack, unreadable
from facecluster.encoding.dated import UNDATED, When
from facecluster.table import NO_FACE, OK, UNREADABLE


def test_a_table_taken_apart_and_put_together_is_the_same() -> None:
    table = tables.make_table(
        np.eye(128)[:3],
        photo=[0, 0, 2],
        photos={"status": [OK, NO_FACE, OK], "reason": ["", "why", ""], "lost": [0, 7, 1]},
    )
    rows = list(rows_of(table))
    assert [len(row.analysis.faces) for row in rows] == [2, 0, 1]
    tables.assert_same(make_table(rows, table.settings), table)
    film = tables.film_table()
    tables.assert_same(make_table(list(rows_of(film)), film.settings), film)


def test_faces_are_named_by_digest_and_order_unless_they_have_names() -> None:
    settings = tables.make_table([]).settings
    found = Analysis("a", "", (3, 4), OK, "", UNDATED, 1, np.zeros(2, FACE))
    known = Analysis("b", "", (3, 4), OK, "", UNDATED, 1, np.zeros(1, FACE), np.array(["b-1"]))
    table = make_table([Row("/a.jpg", "c", found), Row("/b.jpg", "", known)], settings)
    assert table.faces.id.tolist() == ["a-0", "a-1", "b-1"]
    assert table.faces.photo.tolist() == [0, 0, 1]


def test_an_unreadable_photo_has_a_reason_in_one_line() -> None:
    analysis = unreadable("not\n  a photo")
    assert (analysis.status, analysis.reason, analysis.size) == (UNREADABLE, "not a photo", (0, 0))
    assert len(analysis.faces) == 0


def test_results_survive_the_journal() -> None:
    faces = np.zeros(2, FACE)
    faces["encoding"] = np.arange(256).reshape(2, 128)
    faces["pose"] = np.nan
    for own in (faces, faces[:0]):
        analysis = Analysis(
            "",
            "p" * 32,
            (3, 4),
            OK,
            "",
            When(1.25),
            2**64 - 1,
            own,
            looks=(2**64 - 1, 5),
            pages=3,
            duration=12.5,
        )
        coded, back = unpack(pack("d" * 32, analysis))
        assert (back.pixels, back.looks) == (analysis.pixels, analysis.looks)
        assert (back.pages, back.duration) == (3, 12.5)
        assert (coded, back.size, back.status, back.reason, back.when.time, back.hash) == (
            "d" * 32,
            (3, 4),
            OK,
            "",
            1.25,
            2**64 - 1,
        )
        assert back.faces.tobytes() == own.tobytes()
