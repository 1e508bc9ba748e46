"""What keeps a user from a file that the system refuses: whose it is, its mode, and what to type."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from facecluster.text import printable, typed


def user_name(number: int) -> str:
    """Name a user of this system: "anna", or "user 1234" where nobody is known by the number."""
    with suppress(ImportError, KeyError):  # Windows has no such numbers
        import pwd

        return pwd.getpwuid(number).pw_name
    return f"user {number}"


def why_unread(path: str | Path, error: OSError) -> str:
    """Say why a file cannot be read: whose it is where it is not ours to read, else what the system says."""
    keeper = _keeper(Path(path), Path(path), writing=False) if error.errno == errno.EACCES else None
    if keeper is None:
        return error.strerror or str(error)
    copied = f"ask {keeper.owner} for a copy, or type: sudo chown {user_name(os.geteuid())} {typed(path)}"
    return f"no permission: {keeper.told}; {keeper.remedy or copied}"


def why_unwritten(path: Path, error: OSError) -> str:
    """Say why there is no permission to write a file, or to make it.

    Args:
        path: what is waited for.
        error: names the file that the system refused, as an unfinished one beside `path`; it may name none.
    """
    refused = Path(error.filename) if isinstance(error.filename, str) else path
    keeper = _keeper(path, refused, writing=True)
    if keeper is None:
        return "no permission; choose another place, or change its permissions"
    if keeper.remedy is None:
        return f"no permission: {keeper.told}; ask {keeper.owner}, or choose another place"
    return f"no permission: {keeper.told}; {keeper.remedy}"


@dataclass(frozen=True)
class _Keeper:
    """A file or folder whose mode keeps us from a file.

    Attributes:
        told: whose it is, and its mode.
        owner: the name of that user.
        remedy: what to type; None where it is somebody else's.
    """

    told: str
    owner: str
    remedy: str | None


def _keeper(path: Path, refused: Path, *, writing: bool) -> _Keeper | None:
    """Find what keeps us from `refused`; None where nothing is found, as on Windows."""
    if not hasattr(os, "geteuid"):
        return None
    real = place = Path(os.path.realpath(refused))
    while not os.path.exists(place) and place != place.parent:
        place = place.parent
    for keeper in (place, place.parent) if place == real else (place,):
        status = os.stat(keeper)
        is_folder = stat.S_ISDIR(status.st_mode)
        if os.access(keeper, (os.X_OK if is_folder else os.R_OK) | os.W_OK * writing):
            continue
        is_it = keeper == Path(os.path.realpath(path))
        name = "it" if is_it else f"{'the folder ' * is_folder}{printable(str(keeper))}"
        is_mine, owner = status.st_uid == os.geteuid(), user_name(status.st_uid)
        told = f"{name} belongs to {'you' if is_mine else owner}, mode {stat.S_IMODE(status.st_mode):03o}"
        bits = f"r{'w' * writing}{'x' * is_folder}"
        remedy = f"type: chmod u+{bits} {typed(path if is_it else keeper)}" if is_mine else None
        return _Keeper(told, owner, remedy)
    return None
