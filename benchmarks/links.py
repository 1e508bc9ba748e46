"""Measure what copies, clones, hard links and symbolic links of photos cost, and what befalls them.

    python benchmarks/links.py DIR... [--photos 40] [--backups DIR]

On the file system of each DIR, in a temporary folder that is removed again, it makes photos (noise, some 0.5 MB each; a
quarter shows two people) and a library of each kind. Prints what they use on disk (du, where hard links count once and
clones as copies; and blocks that the file system lost, which others' writing disturbs), and how long it took. Then it
saves the library alone, and library and photos together, with tar, rsync, zip, cp and shutil. It restores them where
the originals are not, and counts the photos that are whole. Then it edits, deletes and moves things. Tools that are not
there are left out.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from facecluster.errors import FaceclusterError
from facecluster.result import Box, Counts, Person, PersonFace, Pose, Result, ResultSettings
from facecluster.table import Settings

KINDS = ("copy", "clone", "hardlink", "symlink")

SAVE = {
    "tar": "tar cf {to}/a.tar {what}",
    "zip -r": "zip -qr {to}/a.zip {what}",
    "rsync -a": "rsync -a {what} {to}/",
    "rsync -aH": "rsync -aH {what} {to}/",
    "cp -r": "cp -r {what} {to}/",
    "cp -a": "cp -a {what} {to}/",
}
"""Shell commands, run in the folder that holds `what`."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directories", nargs="+", type=Path)
    parser.add_argument("--photos", type=int, default=40)
    parser.add_argument("--backups", type=Path, default=Path(tempfile.gettempdir()))
    arguments = parser.parse_args()
    for directory in arguments.directories:
        name = shell(f"df --output=fstype {directory} | tail -1").strip()
        print(f"\n## {name} ({directory})\n")
        for kind in KINDS:
            with (
                tempfile.TemporaryDirectory(dir=directory, prefix="links-") as there,
                tempfile.TemporaryDirectory(dir=arguments.backups, prefix="links-") as backups,
            ):
                measure(kind, Path(there), Path(backups), arguments.photos)


def measure(kind, there, backups, n_photos):
    """Print all about one kind on one file system."""
    photos, library = there / "photos", there / "people"
    make_photos(photos, n_photos)
    result = make_result(sorted(photos.iterdir()))
    originals = {path.name: path.read_bytes() for path in photos.iterdir()}
    os.sync()
    before, start = free(there), time.perf_counter()
    try:
        kinds = place(result, library, kind)
    except FaceclusterError as error:
        print(f"- {kind}: not possible: {error}")
        return
    seconds = time.perf_counter() - start
    if kinds != {kind}:
        print(f"- {kind}: not possible")
        return
    os.sync()
    used = before - free(there)
    n_held = len(held(library))
    print(
        f"- {kind}: {n_held} photos in folders; du of the library {mb(du(library))}, of both {mb(du(there))}, the disk "
        f"lost {mb(used)}; {seconds * 1e3:.0f} ms"
    )
    away = there / "away"
    for what in ("people", "people photos"):
        told = []
        for tool, command in {**SAVE, "shutil.copytree": ""}.items():
            size, restored = back_up(tool, command, what, there, backups)
            if size is None:
                continue
            photos.rename(away)
            told.append(f"{tool} {mb(size)}, {whole(restored / 'people', originals)}")
            away.rename(photos)
            shutil.rmtree(backups)
            backups.mkdir()
        print(f"  - saved {what.replace(' ', ' and ')}: " + "; ".join(told))
    befalls(kind, there, backups, originals, result)


def befalls(kind, there, backups, originals, result):
    """Print what edits, deletions and moves do; each begins with a new library."""
    photos, library = there / "photos", there / "people"

    def anew():
        shutil.rmtree(library, ignore_errors=True)
        shutil.rmtree(photos, ignore_errors=True)
        photos.mkdir()
        for name, content in originals.items():
            (photos / name).write_bytes(content)
        library.mkdir()
        place(result, library, kind)
        path = held(library)[0]
        return path, photos / path.name

    for of_link in (True, False):
        edited, other = ("held photo", "original") if of_link else ("original", "held photo")
        changes, leaves = [], []
        for how, edit in EDITS.items():
            link, original = anew()
            before = originals[original.name]
            if edit(link if of_link else original):
                now = (original if of_link else link).read_bytes()
                (leaves if now == before else changes).append(how)
        print(
            f"  - edits of a {edited} that change the {other}: {', '.join(changes) or 'none'}; that do not: ",
            end="",
        )
        print(", ".join(leaves) or "none")
    link, original = anew()
    original.unlink()
    print(f"  - original deleted: held photo {'there' if link.is_file() else 'gone'}", end="")
    anew()
    photos.rename(there / "moved")
    print(f"; photos renamed: {whole(library, originals)}", end="")
    (there / "moved").rename(photos)
    anew()
    library.rename(there / "moved")
    print(f"; library renamed: {whole(there / 'moved', originals)}", end="")
    (there / "moved").rename(library)
    anew()
    subprocess.run(["mv", library, backups / "people"], check=True)
    print(f"; library moved to {backups.parent}: {whole(backups / 'people', originals)}", end="")
    print(f", {mb(du(backups / 'people'))}")


def in_place(path):
    """Write into the file, as some editors and exiftool -overwrite_original_in_place do."""
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"edited")
    return True


def by_renaming(path):
    """Write a new file and rename it over the old one, as most editors do."""
    new = path.with_name("new")
    new.write_bytes(path.read_bytes()[:-6] + b"edited")
    new.replace(path)
    return True


def exiftool(*options):
    """Rate a photo with exiftool."""

    def rate(path):
        if not shutil.which("exiftool"):
            return False
        subprocess.run(["exiftool", "-q", *options, "-Rating=5", path], check=True)
        return True

    return rate


EDITS = {
    "writing into": in_place,
    "renaming over": by_renaming,
    "exiftool": exiftool(),
    "exiftool -overwrite_original": exiftool("-overwrite_original"),
    "exiftool -overwrite_original_in_place": exiftool("-overwrite_original_in_place"),
}


def back_up(tool, command, what, there, backups):
    """Save folders and restore them -> bytes on disk and the folder with the restored ones; None without the tool."""
    saved, restored = backups / "saved", backups / "restored"
    saved.mkdir()
    if tool == "shutil.copytree":
        try:
            for name in what.split():
                shutil.copytree(there / name, saved / name)
        except OSError:
            pass
        return du(saved), saved
    if not shutil.which(tool.split()[0]):
        return None, None
    shell(command.format(what=what, to=saved), cwd=there)
    size = du(saved)
    if tool in ("tar", "zip -r"):
        restored.mkdir()
        if tool == "tar":
            shell(f"tar xf {saved}/a.tar", cwd=restored)
        else:
            shell(f"{sys.executable} -m zipfile -e {saved}/a.zip .", cwd=restored)
        return size, restored
    return size, saved


def make_photos(folder, number):
    """Write JPEGs of noise."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(number):
        pixels = rng.integers(0, 256, (600, 800, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:03}.jpg", quality=90)


def make_result(photos):
    """Ten people; every fourth photo shows two of them."""
    shown = [
        [str(p) for i, p in enumerate(photos) if n in (i % 10, (i + 1) % 10 if i % 4 == 0 else -1)]
        for n in range(10)
    ]
    where = (Box(0, 0, 1, 1), Pose(0, 0, 0), 0.9)
    people = tuple(
        Person(
            id=f"person-{n + 1:04}",
            name=None,
            n_faces=len(paths),
            n_photos=len(paths),
            cover="",
            faces=tuple(PersonFace("", path, *where, core=True, confidence=1.0) for path in paths),
        )
        for n, paths in enumerate(shown)
        if paths
    )
    settings = ResultSettings(Settings("", "", {}, {}, {}))
    return Result(settings, people, (), Counts(0, 0, 0, 0, 0, 0, 0, {}))


def place(result, library, kind):
    """Make the folders of photos only, and say of which kinds they are."""
    from facecluster.durable.own_files import ResultFolder
    from facecluster.library.folders import plan

    photos, _ = plan(result, {})
    folder = ResultFolder(library, set(photos.values()))
    folder.place(folder.prepare([], photos, kind))
    return set(folder.holding(kind).photos)


def held(library):
    """Photos in folders of people."""
    return sorted(path for path in library.glob("person-*/*.jpg"))


def whole(library, originals):
    """Say how many photos are there with their content."""
    paths = held(library)
    n = sum(path.is_file() and path.read_bytes() == originals[path.name] for path in paths)
    return f"{n} of {len(paths)} whole"


def du(folder):
    """Bytes of the blocks of all files, hard links once, links not followed."""
    status = [os.lstat(Path(root, name)) for root, _, names in os.walk(folder) for name in names]
    return 512 * sum({(one.st_dev, one.st_ino): one.st_blocks for one in status}.values())


def free(folder):
    """Bytes that are free on a file system."""
    one = os.statvfs(folder)
    return one.f_bfree * one.f_frsize


def mb(n_bytes):
    return f"{n_bytes / 1e6:.1f} MB"


def shell(command, cwd=None):
    return subprocess.run(command, shell=True, check=True, cwd=cwd, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
