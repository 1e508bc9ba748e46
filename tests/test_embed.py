"""Names in the photos themselves. It needs exiftool (Debian: libimage-exiftool-perl)."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from commands import on_terminal
from libraries import cluster_table
from PIL import Image
from tables import make_table, people

from facecluster.cli import main
from facecluster.durable import whole_file
from facecluster.formats import face_table, xmp, xmp_write
from facecluster.formats.embedded import embedded_of
from facecluster.library import embed
from facecluster.library.layout import METADATA_BEFORE
from facecluster.library.library import Library
from facecluster.library.settings import Choices
from facecluster.photos.decode import decode
from facecluster.photos.picture import coded_digest, pixel_digest

pillow_heif = pytest.importorskip("pillow_heif")

needs_exiftool = pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")

STORED = (240, 160)
BOX = (10, 6, 130, 126)
"""Of each face, in the upright photo."""
FORMATS = ("jpg", "png", "heic", "tiff", "webp")
THEIRS = xmp_write.merge(
    None, xmp_write.tags([xmp_write.Marked("Carl", (0.7, 0.7, 0.9, 0.9))], ["Dora"], STORED)
).data


def call(verb: str, *arguments: object) -> Result:
    return CliRunner().invoke(main, [verb, *map(str, arguments)])


def done(verb: str, *arguments: object) -> Any:
    result = call(verb, *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def make_photo(path: Path, orientation: int, number: int) -> None:
    """A photo of its own colours, stored at `STORED`; every second one has names of somebody else's in it."""
    pixels = np.zeros((*STORED[::-1], 3), np.uint8)
    pixels[:50, :80] = (200, number % 256, 40)
    pixels[50:, 80:] = (number % 256, 90, 160)
    image, exif = Image.fromarray(pixels), Image.Exif()
    exif[0x0112] = orientation
    exif[0x0132] = "2011:07:03 16:20:11"
    exif.update({0x011A: 72.0, 0x011B: 72.0, 0x0128: 2, 0x0213: 1})  # which exiftool misses else
    packet = {"xmp": THEIRS} if number % 2 else {}
    if path.suffix == ".heic":
        heif = pillow_heif.from_pillow(image)
        heif.save(path, exif=exif.tobytes(), quality=-1, **packet)
    elif path.suffix == ".png" and packet:
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", (THEIRS or b"").decode())
        image.save(path, exif=exif, pnginfo=info)
    elif path.suffix == ".tiff":
        exif[700] = THEIRS if packet else b""
        if not packet:
            del exif[700]
        image.save(path, exif=exif)
    else:
        image.save(path, exif=exif, **packet)


def make_library(folder: Path, paths: list[Path]) -> Path:
    """A library of the photos, each of Anna, whose box is in the upper left of the upright photo."""
    decoded = [decode(path) for path in paths]
    digests = [pixel_digest(one.pixels, one.size) for one in decoded]
    table = make_table(
        people(1, len(paths), spread=0.4),
        paths=list(map(str, paths)),
        id=[f"{digest}-0" for digest in digests],
        box=[BOX] * len(paths),
        photos={"size": [one.size for one in decoded], "digest": digests, "pixels": digests},
    )
    out = folder / "out"
    out.mkdir()
    face_table.write(table, out / "faces.npz")
    cluster_table(table, out, Choices(link="none"), source=str(out / "faces.npz"))
    with Library.open(out) as library:
        library.name("person-0001", "Anna Berg")
    return out


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """A photo of each format and orientation."""
    folder = tmp_path / "photos"
    folder.mkdir()
    paths = []
    for number, (ending, orientation) in enumerate((e, o) for e in FORMATS for o in range(1, 9)):
        paths.append(folder / f"{orientation}.{ending}")
        make_photo(paths[-1], orientation, number + number // 8)
    return paths


@pytest.fixture
def few(tmp_path: Path) -> list[Path]:
    """Four JPEGs; 1 and 3 have names of somebody else's in them."""
    paths = [tmp_path / "photos" / f"{i}.jpg" for i in range(4)]
    paths[0].parent.mkdir()
    for i, path in enumerate(paths):
        make_photo(path, 6, i)
    return paths


def names_in(photo: Path) -> set[str]:
    packet = embedded_of(photo).xmp
    return set() if packet is None else set(xmp.read(packet).persons)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@needs_exiftool
def test_every_format_and_orientation_keeps_picture_time_and_the_names_of_others(
    photos: list[Path], tmp_path: Path
) -> None:
    out = make_library(tmp_path, photos)
    for path in photos:
        os.utime(path, ns=(10**18, 10**18 + 7))
        path.chmod(0o640)
    before = {path: (path.read_bytes(), embedded_of(path)) for path in photos}
    told = done("tag", out, "--embed", "--yes")
    assert (len(told["changed"]), told["troubles"], told["behind"]) == (40, [], [])
    assert not [*photos[0].parent.glob("*.xmp")]
    for path, (data, was) in before.items():
        now, status = embedded_of(path), path.stat()
        assert (status.st_mtime_ns, status.st_mode & 0o777) == (10**18 + 7, 0o640)
        assert coded_digest(path.read_bytes()) == coded_digest(data)
        assert (now.orientation, now.size, now.dates) == (was.orientation, was.size, was.dates)
        assert names_in(path) == {"Anna Berg"} | ({"Carl", "Dora"} if was.xmp else set())
        assert now.xmp is not None
        assert now.size is not None
        size = now.size if now.orientation < 5 else now.size[::-1]
        regions = [region for region in xmp.read(now.xmp).regions if region.name == "Anna Berg"]
        assert {region.kind for region in regions} == {"mwg", "microsoft"}
        for region in regions:
            left, top, right, bottom = xmp.upright(region.box, now.orientation)
            box = (left * size[0], top * size[1], right * size[0], bottom * size[1])
            assert box == pytest.approx(BOX, abs=0.01)
    kept = [path.read_bytes() for path in (out / METADATA_BEFORE).iterdir()]
    assert len(kept) == sum(was.xmp is not None for _, was in before.values()) > 10
    assert all(b"Carl" in packet and b"Anna" not in packet for packet in kept)
    after = {path: path.stat().st_ino for path in photos}
    told = done("tag", out, "--embed", "--yes")
    assert (told["changed"], told["unchanged"]) == ([], 40)
    assert {path: path.stat().st_ino for path in photos} == after
    done("untag", out, "--embed", "--yes")
    for path, (_, was) in before.items():
        assert names_in(path) == ({"Carl", "Dora"} if was.xmp else set())
        assert (embedded_of(path).xmp is None) == (was.xmp is None)


@needs_exiftool
def test_other_readers_read_it_and_find_nothing_wrong(few: list[Path], tmp_path: Path) -> None:
    out = make_library(tmp_path, few)
    done("tag", out)
    done("tag", out, "--embed", "--yes")
    for files in (few, [path.with_name(f"{path.name}.xmp") for path in few]):
        command = ["exiftool", "-j", "-struct", "-validate", "-warning", "-XMP:all", *map(str, files)]
        found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        for i, one in enumerate(found):
            assert one["Validate"] == "OK", one
            names = {region["Name"] for region in one["RegionInfo"]["RegionList"]}
            assert names == {"Anna Berg"} | ({"Carl"} if i % 2 else set())
            assert one["RegionInfo"]["AppliedToDimensions"] == {"W": 240, "H": 160, "Unit": "pixel"}
            assert "Anna Berg" in one["PersonInImage"]
            assert "People/Anna Berg" in one["TagsList"]


@needs_exiftool
def test_a_run_afterwards_analyses_nothing_and_loses_nothing(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, photo in enumerate(sorted((shared_data / "seed_football129" / "person_0").iterdir())[:4]):
        shutil.copy(photo, folder / f"{i}{photo.suffix}")
    out = tmp_path / "people"
    run = ["run", str(folder), "-o", str(out), "-j", "1", "--min-images", "2"]
    assert CliRunner().invoke(main, run).exit_code == 0
    with Library.open(out) as library:
        library.name("person-0001", "Anna Berg")
    before = json.loads((out / "clusters.json").read_text())["people"]
    tagged = call("tag", out, "--embed", "--yes")
    assert tagged.exit_code == 0, tagged.output
    held = [*(out / "person-0001 Anna Berg").iterdir()]
    assert len(held) == 4
    assert not any(names_in(photo) for photo in held)  # hard links, or clones
    assert "4 photos in folders of people as before" in tagged.stderr
    assert tagged.stderr.endswith(f"to have them there as they are: facecluster run {folder} -o {out}\n")
    assert "4 photos changed\n" in tagged.stderr
    table = (out / "faces.npz").read_bytes()
    again = CliRunner().invoke(main, run)
    assert again.exit_code == 0, again.output
    assert (out / "faces.npz").read_bytes() == table
    assert all(names_in(photo) == {"Anna Berg"} for photo in held)
    assert json.loads((out / "clusters.json").read_text())["people"] == before
    assert done("tag", out, "--embed", "--yes")["changed"] == []


@needs_exiftool
def test_without_embed_photos_are_not_touched_and_told(few: list[Path], tmp_path: Path) -> None:
    out = make_library(tmp_path, few)
    done("tag", out, few[0], "--embed", "--yes")
    assert names_in(few[0]) == {"Anna Berg"}
    with Library.open(out) as library:
        library.name("person-0001", "Anna")
    before = tree(few[0].parent)
    told = done("tag", out)
    assert told["behind"] == [str(few[0])]
    assert len(told["changed"]) == 4
    after = tree(few[0].parent)
    assert {path: after[path] for path in before} == before
    assert b"Anna Berg" not in (few[0].parent / "0.jpg.xmp").read_bytes()
    told = done("tag", out, "--embed", "--yes")
    assert names_in(few[0]) == {"Anna"}
    assert names_in(few[1]) == {"Anna", "Carl", "Dora"}
    assert len(told["changed"]) == 4
    assert done("untag", out)["behind"] == [str(path) for path in few]
    assert [path.name for path in few[0].parent.glob("*.xmp")] == []
    assert names_in(few[0]) == {"Anna"}


@needs_exiftool
@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC])
def test_photos_that_cannot_be_written_have_no_names_of_ours(
    number: int, few: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real = make_library(tmp_path, few), whole_file.part_of

    def part_of(target: Path) -> Path:
        if target in few:
            raise OSError(number, os.strerror(number), str(target))
        return real(target)

    done("tag", out, few[1], "--embed", "--yes")
    with Library.open(out) as library:
        library.name("person-0001", "Anna")
    with monkeypatch.context() as patch:
        patch.setattr(whole_file, "part_of", part_of)
        assert call("tag", out, "--embed", "--yes").exit_code == 1
    assert names_in(few[1]) == {"Anna Berg", "Carl", "Dora"}
    assert done("untag", out)["behind"] == [str(few[1])]


@needs_exiftool
def test_forget_tells_of_names_in_photos(few: list[Path], tmp_path: Path) -> None:
    out = make_library(tmp_path, few)
    done("tag", out, "--embed", "--yes")
    kept = sorted((out / METADATA_BEFORE).iterdir())
    kept[0].write_bytes(kept[0].read_bytes().replace(b"Dora", b"Anna Berg"))
    result = call("forget", out, "--person", "Anna Berg")
    assert f"{kept[0]}: has the name, as the photo had it before" in result.stderr
    assert str(kept[1]) not in result.stderr
    assert result.exit_code == 0, result.output
    inside = json.loads(result.stdout)["inside"][str(out)]
    assert set(inside) == {str(path) for path in few}
    told = f"are still inside 4 photos: {', '.join(inside)}; to take them out: facecluster tag {out} --embed"
    assert result.stderr.count(told) == 1
    done("tag", out, "--embed", "--yes")
    assert not any(b"Anna" in data for data in tree(few[0].parent).values())


@needs_exiftool
def test_it_asks_first(few: list[Path], tmp_path: Path) -> None:
    out = make_library(tmp_path, few)
    before = tree(tmp_path)
    refused = call("tag", out, "--embed")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "give --yes too" in refused.stderr
    code, shown, stderr = on_terminal("tag", out, "--embed", typed="n\n")
    assert code == 1
    assert "about to write into 4 photos" in shown + stderr
    assert "nothing was changed" in stderr
    assert len(done("tag", out, "--embed", "-n")["changed"]) == 4
    assert tree(tmp_path) == before
    code, shown, _ = on_terminal("tag", out, "--embed", typed="y\n")
    assert (code, names_in(few[0])) == (0, {"Anna Berg"}), shown


@needs_exiftool
def test_what_must_not_be_written_is_told_and_left_alone(few: list[Path], tmp_path: Path) -> None:
    out = make_library(tmp_path, few)
    real = tmp_path / "real.jpg"
    few[0].rename(real)
    few[0].symlink_to(real)
    Image.new("RGB", STORED[::-1]).save(few[1])
    before = (real.read_bytes(), few[1].read_bytes())
    result = call("tag", out, "--embed", "--yes")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["troubles"] == [
        f"{few[0]}: a link; nothing is written through it",
        f"{few[1]}: is not the photo in which the faces were found; type first: facecluster run",
    ]
    assert (real.read_bytes(), few[1].read_bytes()) == before
    assert names_in(few[2]) == {"Anna Berg"}


@needs_exiftool
def test_exiftool_that_changes_more_is_not_trusted(
    few: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = make_library(tmp_path, few)
    bad = tmp_path / "bin"
    bad.mkdir()
    program = bad / "exiftool"
    true = shutil.which("exiftool")
    program.write_text(
        "#!/bin/sh\nwhile read line; do case $line in -execute) printf other > after; echo '{ready}';; esac; done\n"
    )
    program.chmod(0o755)
    before = tree(tmp_path / "photos")
    monkeypatch.setenv("PATH", f"{bad}:{os.environ['PATH']}")
    result = call("tag", out, "--embed", "--yes")
    assert result.exit_code == 1
    assert "exiftool would change more of it than its metadata" in result.stderr
    program.write_text(f'#!/bin/sh\necho "no licence"; exit 1\n# {true}\n')
    assert "exiftool ended: no licence" in call("tag", out, "--embed", "--yes").stderr
    assert tree(tmp_path / "photos") == before


def test_without_exiftool_it_says_what_to_install(
    few: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = make_library(tmp_path, few)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = call("tag", out, "--embed", "--yes")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "exiftool is not installed" in result.stderr


@needs_exiftool
@pytest.mark.parametrize("at", ["_keep", "_replace"])
def test_killed_in_the_middle_the_same_command_finishes(
    at: str, few: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = make_library(tmp_path, few)
    real, n_done = getattr(embed, at), 0

    def killed(*arguments: object) -> None:
        nonlocal n_done
        n_done += 1
        real(*arguments)
        if n_done == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(embed, at, killed)
        assert call("tag", out, "--embed", "--yes").exit_code == 130
    with Library.open(out) as library:
        library.name("person-0001", "Anna")
    done("tag", out, "--embed", "--yes")
    for i, path in enumerate(few):
        assert names_in(path) == {"Anna"} | ({"Carl", "Dora"} if i % 2 else set())
    done("untag", out, "--embed", "--yes")
    assert not any(b"Anna" in data for data in tree(few[0].parent).values())


def test_options_that_do_not_fit(few: list[Path], tmp_path: Path) -> None:
    out = make_library(tmp_path, few)
    options: Mapping[str, list[str]] = {
        "--yes answers what --embed asks": ["--yes"],
        "--sidecar-name is about files beside photos": ["--embed", "--yes", "--sidecar-name", "stem"],
    }
    for told, given in options.items():
        refused = call("tag", out, *given)
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert told in refused.stderr
