"""What somebody is told of the folders of a library: photos that are elsewhere, and files that are in the way."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facecluster.library.layout import find_again, folder_name, group_again, person_in
from facecluster.library.refer import called
from facecluster.text import many, printable, some, typed

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.result import Person, Result

_log = logging.getLogger(__name__)

_N_NAMED = 3
"""Photos or people that a message names."""


def tell_of_followed(followed: Sequence[tuple[str, str]], result: Result, directory: Path) -> None:
    """Say that folders that were renamed by hand have the names of their people again, and how to name these."""
    names = {person.id: folder_name(person) for person in result.people}
    for _, name in followed:
        own = person_in(name) or ""
        now, given = names.get(own), name[len(own) :].strip()
        if now is not None and (directory / now).is_dir() and name != now and not name.endswith(".jpg"):
            _log.warning(
                "%s: was renamed by hand, and is %s again; to name the person: facecluster name %s %s %s",
                printable(f"{directory}/{name}"), printable(now), typed(directory), own,
                shlex.quote(given) if given else "NAME",
            )  # fmt: skip


def tell_of_evaded(paths: Sequence[str], directory: Path) -> None:
    """Say under which other names photos are put, as files of the user's have theirs."""
    if paths:
        names = some([printable(f"{directory}/{path}") for path in paths], _N_NAMED)
        whose = ("a file", "has its own name") if len(paths) == 1 else ("files", "have their own names")
        _log.warning(
            "%s got another name, as %s of yours there %s: %s", many(len(paths), "photo"), *whose, names
        )


def tell_of_gone(gone: Sequence[str], without: Sequence[Person], directory: Path) -> None:
    """Say that photos are not where they were, who has no montage, and what to type."""
    names = some([called(person) for person in without], _N_NAMED)
    so = f"{names} {'has' if len(without) == 1 else 'have'} no montage" if without else ""
    if gone:
        _log.warning(
            "%s not where %s (first: %s)%s. If deleted, %s the library with the next run over that folder. If %s "
            "moved, type: %s",
            many(len(gone), "photo is", "photos are"), "it was" if len(gone) == 1 else "they were",
            printable(gone[0]), f", so {so}" if so else "", "it leaves" if len(gone) == 1 else "they leave",
            "it was" if len(gone) == 1 else "they were", find_again(directory),
        )  # fmt: skip
    elif so:
        _log.warning("%s, as none of their photos can be read", so)


def tell_of_changed(photos: Sequence[str]) -> None:
    """Say which photos are not placed as they hold another picture now, and what to type."""
    if photos:
        _log.warning(
            "%s not the picture whose faces are known, and %s not put into the folders (first: %s): edited since, or "
            "never analysed here. To take %s in: facecluster encode %s, with the options and the -o of the face table",
            many(len(photos), "photo is", "photos are"), "it is" if len(photos) == 1 else "they are",
            printable(photos[0]), "it" if len(photos) == 1 else "them", typed(photos[0]),
        )  # fmt: skip


def tell_of_unread(photos: Iterable[str], directory: Path) -> None:
    """Say which photos are there and cannot be put into their folders."""
    if unread := sorted({photo for photo in photos if os.path.lexists(photo)}):
        _log.warning(
            "%s cannot be read, and %s missing in the folders of %s: %s",
            many(len(unread), "photo"), "is" if len(unread) == 1 else "are", printable(str(directory)),
            some([printable(photo) for photo in unread], _N_NAMED),
        )  # fmt: skip


def tell_of_refused(refused: Mapping[str, str], directory: Path) -> None:
    """Say which files could not be written or removed, or folders renamed, while the others were."""
    if refused:
        named = some([f"{printable(path)} ({why})" for path, why in sorted(refused.items())], _N_NAMED)
        what = "folder" if all((directory / path).is_dir() for path in refused) else "file"
        _log.warning(
            "%s: %s as before: %s; the rest is done, and the next run tries again",
            printable(str(directory)), many(len(refused), f"{what} stays", f"{what}s stay"), named,
        )  # fmt: skip


def tell_of_sheet(name: str, directory: Path) -> None:
    """Say that a file of the user's has the name of a sheet of everybody."""
    _log.warning(
        "%s: not written by facecluster, so it stays, and there is no sheet of these people; to have it, move yours "
        "away, and type: %s",
        printable(f"{directory}/{name}"), group_again(directory),
    )  # fmt: skip
