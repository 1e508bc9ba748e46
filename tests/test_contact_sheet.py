from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facecluster.render import letters
from facecluster.render.contact_sheet import PER_ROW, TILE_PX, SheetGroup, contact_sheet
from facecluster.render.tile import Tile
from facecluster.result import Box

BOX = Box(50, 50, 100, 100)


def face(path: Path, colour: tuple[int, int, int]) -> Tile:
    Image.new("RGB", (200, 200), colour).save(path)
    return Tile(str(path), BOX, (200, 200), (path.name,))


def area_of(pixels: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((np.abs(pixels.astype(int) - colour).max(axis=2) < 12).sum())


def test_every_face_of_a_small_group_is_shown(tmp_path: Path) -> None:
    red, blue = face(tmp_path / "r.png", (250, 0, 0)), face(tmp_path / "b.png", (0, 0, 250))
    pixels, missing = contact_sheet(
        [SheetGroup("one", "1 face", (red,)), SheetGroup("two", "", (red, blue))], "all"
    )
    assert missing == []
    assert area_of(pixels, (250, 0, 0)) == 2 * TILE_PX**2
    assert area_of(pixels, (0, 0, 250)) == TILE_PX**2
    assert (pixels[-3:] == 255).all()  # paper around it, no black


def test_large_group_shows_the_first_and_grows_no_wider(tmp_path: Path) -> None:
    faces = tuple(face(tmp_path / f"{i}.png", (250, 0, 0)) for i in range(20))
    pixels, _ = contact_sheet([SheetGroup("many", "", faces)], "all")
    assert area_of(pixels, (250, 0, 0)) == PER_ROW * TILE_PX**2
    assert pixels.shape[1] < (PER_ROW + 1) * TILE_PX


def test_small_groups_stand_beside_each_other(tmp_path: Path) -> None:
    groups = [SheetGroup(f"group {i}", "", (face(tmp_path / f"{i}.png", (250, 0, 0)),)) for i in range(9)]
    heights = [contact_sheet(groups[:n], "all")[0].shape[0] for n in (1, 8, 9)]
    assert heights[0] == heights[1] < heights[2]


def test_lost_photo_is_told_and_grey(tmp_path: Path) -> None:
    lost, there = face(tmp_path / "l.png", (0, 0, 0)), face(tmp_path / "t.png", (0, 250, 0))
    (tmp_path / "l.png").unlink()
    pixels, missing = contact_sheet([SheetGroup("two", "", (lost, there))], "all")
    assert [path for path, _ in missing] == [str(tmp_path / "l.png")]
    assert area_of(pixels, (128, 128, 128)) >= TILE_PX**2
    assert area_of(pixels, (0, 250, 0)) == TILE_PX**2


def test_no_groups_are_a_sheet_with_a_title() -> None:
    pixels, missing = contact_sheet([], "nobody")
    assert missing == []
    assert pixels.min() < 100


@pytest.mark.parametrize("text", ["Zoë Müller", "Łukasz", "Anna"])
def test_name_with_accents_is_drawn_with_or_without_them(text: str) -> None:
    line, _ = letters.fitted(text, 16, 1000)
    assert len(line) == len(text)


def test_what_no_font_has_is_left_out() -> None:
    line, _ = letters.fitted("\U0010fffe Ann \U0010fffd", 16, 1000)
    assert line == "Ann"
    assert letters.drawable("\U0010fffe\U0010fffd") == ""
    assert letters.drawable("Zo\u00eb \U0010fffe\u200d\U0010fffd\ufe0f M\u00fcller") == "Zo\u00eb M\u00fcller"
    assert letters.drawable("person-0001 (\U0010fffe Foxy)") == "person-0001 (Foxy)"


@pytest.mark.parametrize("middle", [False, True])
def test_long_text_fits(middle: bool) -> None:
    line, font = letters.fitted("a very long name of a photo 1234.jpg", 13, 120, middle=middle)
    assert font.getlength(line) <= 120
    assert line.startswith("a v")
    assert line.endswith(".jpg") == middle


def test_wrapped_lines_fit_and_lose_nothing() -> None:
    text = "several words and averyverylongwordindeedthatfitsnowhere"
    lines, font = letters.wrapped(text, 14, 100)
    assert all(font.getlength(line) <= 100 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@pytest.fixture
def nothing_known() -> Iterator[None]:
    """Fonts are looked for anew, before and afterwards."""
    letters._known_files.cache_clear()
    yield
    letters._known_files.cache_clear()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs a user whom permissions bind")
@pytest.mark.usefixtures("nothing_known")
def test_home_that_may_not_be_read_costs_only_its_fonts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usual = letters._known_files()
    letters._known_files.cache_clear()
    (tmp_path / ".local/share/fonts").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    us = os.geteuid()
    tmp_path.chmod(0)
    try:
        if us == 0:
            os.seteuid(65534)
        found = letters._known_files()
        with pytest.raises(PermissionError):
            (tmp_path / ".local").stat()
    finally:
        os.seteuid(us)
        tmp_path.chmod(0o700)
    assert {*found} <= {*usual}
    assert all(file in found for file in usual if file.startswith("/usr/"))
