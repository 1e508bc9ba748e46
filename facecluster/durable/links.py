"""How a folder can hold a file that lies elsewhere: as a clone, a hard link, a symbolic link, or a copy."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from facecluster.durable.clone import clone
from facecluster.durable.whole_file import part_of

Kind = Literal["copy", "clone", "hardlink", "symlink"]
"""What a held file is."""

Link = Literal["auto", "copy", "clone", "hardlink", "symlink", "none"]
"""What a user asks for. auto: the first of `KINDS` that is possible; none: there are no folders of photos."""

KINDS: Mapping[Link, tuple[Kind, ...]] = {
    "auto": ("clone", "hardlink", "symlink", "copy"),
    "copy": ("copy",),
    "clone": ("clone", "copy"),
    "hardlink": ("hardlink", "copy"),
    "symlink": ("symlink",),
    "none": (),
}
"""Kinds to be tried, the best first; the last needs no trial. docs/design.md says why auto has this order."""


def make_link(kind: Kind, source: str, target: Path) -> None:
    """Make a clone, a hard link or a symbolic link where nothing is yet; the source is only read.

    Raises:
        OSError: it is not possible here.
    """
    if kind == "clone":
        clone(Path(source), target)
    elif kind == "hardlink":
        if os.name == "nt" and not os.stat(source).st_mode & stat.S_IWRITE:
            # Windows removes no name of a read-only file, and the attribute is the original's too.
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), source)
        target.hardlink_to(Path(source).resolve())
    elif kind == "symlink":
        target.symlink_to(source)
    else:
        raise ValueError(f"kind is clone, hardlink or symlink, not {kind}")


def is_possible(kind: Kind, source: str, folder: Path) -> bool:
    """Try whether a folder can hold a file as a clone or link; nothing stays of the trial.

    A trial of a hard link changes the time of the source's last change of status, as the link itself will.
    """
    trial = part_of(folder / "trial")
    try:
        make_link(kind, source, trial)
    except OSError:
        return False
    finally:
        with suppress(OSError):
            os.unlink(trial)
    return True
