from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facecluster.encoding.analysis import FACE, Analysis, Row
from facecluster.encoding.dated import UNDATED
from facecluster.encoding.keep import Keep, Kept, renamed, replaced, stay
from facecluster.table import OK


def row(path: str | Path, photo: str, n_faces: int = 1) -> Row:
    return Row(str(path), photo, Analysis(photo, photo, (3, 4), OK, "", UNDATED, 1, np.zeros(n_faces, FACE)))


@pytest.fixture
def album(tmp_path: Path) -> list[Row]:
    """Twelve photos in two folders, of which every file is there."""
    rows = []
    for folder in ("2023", "2024"):
        (tmp_path / folder).mkdir()
        for i in range(6):
            (tmp_path / folder / f"{i}.jpg").touch()
            rows.append(row(tmp_path / folder / f"{i}.jpg", f"{folder}-{i}"))
    return rows


def look(album: list[Row], folder: Path, **rules: bool) -> Kept:
    """What stays when a folder is searched, and holds what is there now."""
    now = [one for one in album if Path(one.path).is_relative_to(folder) and Path(one.path).exists()]
    return stay(album, now, Keep((str(folder),), **rules))


def test_photos_of_folders_that_nobody_looked_at_stay(album: list[Row], tmp_path: Path) -> None:
    kept = look(album, tmp_path / "2024")
    assert kept.rows == album[:6]
    assert (kept.unseen, kept.dropped, kept.held) == (6, (), {})


def test_a_photo_goes_whose_folder_was_looked_at_and_is_there(album: list[Row], tmp_path: Path) -> None:
    (tmp_path / "2024/3.jpg").unlink()
    kept = look(album, tmp_path)
    assert kept.dropped == (str(tmp_path / "2024/3.jpg"),)
    assert kept.rows == []
    assert look(album, tmp_path / "2023").dropped == ()


@pytest.mark.parametrize("how", ["gone", "empty"])
def test_a_folder_that_is_gone_or_empty_keeps_its_photos(album: list[Row], tmp_path: Path, how: str) -> None:
    for i in range(6):
        (tmp_path / f"2024/{i}.jpg").unlink()
    if how == "gone":
        (tmp_path / "2024").rmdir()
    kept = look(album, tmp_path)
    assert kept.rows == album[6:]
    assert kept.held == {str(tmp_path / "2024"): tuple(one.path for one in album[6:])}
    assert look(album, tmp_path, prune=True).dropped == tuple(one.path for one in album[6:])


@pytest.mark.parametrize(("n_gone", "goes"), [(1, True), (2, True), (3, False), (5, False)])
def test_more_than_a_third_of_a_folder_goes_only_with_prune(
    album: list[Row], tmp_path: Path, n_gone: int, goes: bool
) -> None:
    for i in range(n_gone):
        (tmp_path / f"2023/{i}.jpg").unlink()
    kept = look(album, tmp_path)
    assert len(kept.dropped) == (n_gone if goes else 0)
    assert sum(map(len, kept.held.values())) == (0 if goes else n_gone)
    assert len(look(album, tmp_path, prune=True).dropped) == n_gone
    assert len(look(album, tmp_path, missing=True).rows) == n_gone
    assert len(look(album, tmp_path, append=True).rows) == n_gone


def test_a_renamed_photo_goes_however_many_there_are(album: list[Row], tmp_path: Path) -> None:
    (tmp_path / "2024").rename(tmp_path / "trip")
    now = [*album[:6], *(row(tmp_path / f"trip/{i}.jpg", f"2024-{i}") for i in range(6))]
    kept = stay(album, now, Keep((str(tmp_path),)))
    assert kept.renamed == tuple(one.path for one in album[6:])
    assert (kept.rows, kept.dropped, kept.held) == ([], (), {})


def test_a_copy_of_a_photo_that_is_still_there_is_no_new_name(album: list[Row], tmp_path: Path) -> None:
    now = [row(tmp_path / "copy.jpg", "2023-0")]
    kept = stay(album, now, Keep((str(tmp_path / "copy.jpg"),)))
    assert kept.rows == album


def test_for_each_new_path_of_a_photo_one_that_is_gone_was_renamed(tmp_path: Path) -> None:
    there, one, two = tmp_path / "there.jpg", tmp_path / "1.jpg", tmp_path / "2.jpg"
    there.touch()
    before = [row(there, "a"), row(one, "a"), row(two, "a")]
    assert renamed(before, [row("/new.jpg", "a")]) == {str(one)}
    assert renamed(before, [row("/new.jpg", "a"), row("/newer.jpg", "a")]) == {str(one), str(two)}
    assert renamed(before, [row(there, "a"), row("/new.jpg", "b"), row("/broken.jpg", "")]) == set()
    assert renamed([], before) == renamed(before, []) == set()


def test_a_path_is_replaced_if_its_photo_is_nowhere_and_had_faces() -> None:
    before = [row("/1", "a"), row("/2", "b"), row("/3", "c", 0), row("/4", "d")]
    after = [row("/1", "x"), row("/2", "y"), row("/3", "z"), row("/5", "b")]
    assert replaced(before, after) == ("/1",)
    assert replaced([], after) == replaced(before, before) == ()
