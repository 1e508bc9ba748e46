"""`facecluster check`: photos or a face table in; which faces pass, and by how much the others do not."""

from __future__ import annotations

import io
import logging
import math
import os
import re
import shutil
import sys
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facecluster.cli.config import is_typed
from facecluster.cli.encode import Request, about_others, find, photo_options, progress
from facecluster.cli.sources import list_unreadable, warn_if_outdated
from facecluster.errors import FaceclusterError, OutputError, PhotoError, UsageError
from facecluster.identity.check import PRESETS, Limit, measure, names
from facecluster.library.layout import CLUSTERS
from facecluster.photos.find import Found
from facecluster.render.columns import aligned, end_of, n_cells, wrapped
from facecluster.text import many, printable

if TYPE_CHECKING:  # NumPy, OpenCV and the networks are loaded when there is work to do
    from facecluster.render.verdicts import CheckedPhoto
    from facecluster.table import FaceTable

_log = logging.getLogger(__name__)

SOME_FAIL = 3
"""Exit code where a face fails, or a photo shows none or cannot be read."""

_TABLES = (".npz", ".pickle", ".pkl")
_NUMBER = r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})|({_NUMBER})?\.\.({_NUMBER})?")
_EXAMPLE = "a range is like -10..10, 0.8.., ..0.4 or 0, and off drops a limit"

_LEAST_ROOM = 36
"""Cells that limits get beside the photo on a terminal; with less, they stand below it."""

_N_LISTED = 10
"""Photos without a picture that the summary names."""


@click.command("check")
@photo_options
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    default="clustering",
    show_default=True,
    help="Limits to start from: those of faces that cluster makes people of, those of a passport photo, or none.",
)
@click.option(
    "--limit",
    "given",
    multiple=True,
    metavar="NAME=RANGE",
    help="One more limit, or another in place of the preset's: yaw=-10..10, sharpness=0.8.., mouth-open=..0.4, "
    "occlusion-eyes=0, quality=off. What lies on a bound passes. May be given often.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print a line of JSON a face, as a pipe gets it anyway."
)
@click.option(
    "--annotate",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder for pictures: the photos with boxes, where heads look, and the limits that fail. Only what "
    "facecluster put there before is replaced.",
)
@click.pass_context
def command(
    ctx: click.Context,
    request: Request,
    preset: str,
    given: Sequence[str],
    as_json: bool,
    annotate: Path | None,
) -> None:
    """Say which faces pass, and which limits the others fail and by how much.

    PATHS are photos, folders of photos, or - for a list of such on standard input; or one face table (.npz, .pickle,
    or - for one on standard input), whose numbers are used as they are. An unknown number fails its limit; a photo
    without a face fails. Exit code 0: all pass; 3: some fail.
    """
    from facecluster.render.verdicts import check_photos, others_json, to_json

    limits = chosen_limits(preset, given)
    if request.quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    tally = Tally()
    paths, tables = _tables(request, limits, tally)
    layout = None if as_json or not sys.stdout.isatty() else Layout.make(paths, shutil.get_terminal_size()[0])
    judged = (photo for table in tables for photo in check_photos(table, limits))
    checked = judged if annotate is None else _annotated(judged, annotate, paths, request.jobs, tally)
    with closing(checked), progress(len(paths), quiet=request.quiet) as bar:
        if layout is not None:
            click.echo(layout.header())
        for photo in checked:
            with bar.external_write_mode():
                sys.stdout.writelines(to_json(photo) if layout is None else layout.rows(photo))
                sys.stdout.flush()
            tally.add(photo)
            bar.update()
    if layout is None:
        sys.stdout.writelines(others_json(tally.found))
    if not request.quiet:
        for line in [tally.summary(limits, annotate), *about_others(tally.found, request)]:
            click.echo(line, err=True)
        if tally.unreadable and layout is not None and "-" not in request.paths:
            click.echo(f"to list the unreadable photos: {list_unreadable(*request.paths)}", err=True)
    if not tally.all_pass:
        ctx.exit(SOME_FAIL)


def chosen_limits(preset: str, given: Iterable[str]) -> dict[str, Limit]:
    """Put the limits of the command line in the place of a preset's, or behind them.

    Args:
        preset: one of `PRESETS`.
        given: each NAME=RANGE; a dash in a name is an underscore.

    Raises:
        UsageError: no such name, no such range.
    """
    limits = dict(PRESETS[preset])
    for text in given:
        name, equals, bounds = text.partition("=")
        name, bounds = name.strip().replace("-", "_"), bounds.replace(" ", "")
        if not equals:
            raise UsageError(f"--limit {text}: expected NAME=RANGE; {_EXAMPLE}")
        if name not in names():
            raise UsageError(f"--limit {text}: nothing is called {name!r}; there are {', '.join(names())}")
        if bounds.lower() == "off":
            limits.pop(name, None)
        else:
            limits[name] = _limit(text, bounds)
    return limits


def _limit(text: str, bounds: str) -> Limit:
    match = _RANGE.fullmatch(bounds)
    exact, low, high = match.groups() if match else (None, None, None)
    if exact is not None:
        low = high = exact
    limit = Limit(float(low or -math.inf), float(high or math.inf))
    if low is high is None or not all(math.isfinite(float(bound)) for bound in (low, high) if bound):
        raise UsageError(f"--limit {text}: {bounds!r} is no range; {_EXAMPLE}")
    if limit.low > limit.high:
        raise UsageError(f"--limit {text}: no number is over {low} and under {high}; {_EXAMPLE}")
    return limit


def _tables(
    request: Request, limits: Mapping[str, Limit], tally: Tally
) -> tuple[list[str], Iterator[FaceTable]]:
    """Give the paths of all photos, and what is known about them, in that order, in one table or many.

    Folders that cannot be read, and what is not looked at, go to `tally`.

    Raises:
        FaceclusterError: there are no photos, or no table; the arguments make no sense together.
    """
    files = [path for path in request.paths if path.lower().endswith(_TABLES) and not os.path.isdir(path)]
    if not files and request.paths == ("-",) and _is_table_piped():
        files = ["-"]
    if not files:
        from facecluster.encoding.pipeline import encode_each
        from facecluster.options import EncodeOptions

        def lost(message: str) -> None:
            _log.warning(message)
            tally.lost_folders += 1

        tally.found = find(request, lost)
        paths = tally.found.photos
        return paths, encode_each(paths, EncodeOptions(**request.chosen), jobs=request.jobs)
    if len(request.paths) > 1:
        raise UsageError(f"{files[0]}: a face table is checked alone; leave the other paths out")
    if typed := [name for name in request.chosen if is_typed(name)]:  # those of a file are for photos
        options = ", ".join(f"--{name.replace('_', '-')}" for name in typed)
        raise UsageError(
            f"{files[0]}: its faces are not looked for again; leave {options} out, or give photos"
        )
    from facecluster.formats import face_table

    table = face_table.read(sys.stdin.buffer if files == ["-"] else files[0])
    if not len(table.photos):
        raise FaceclusterError(f"{files[0]}: there are no photos in this face table")
    warn_if_outdated(table, files[0])
    values = measure(table.faces)
    unknown = [name for name in limits if len(table.faces) and (values[name] != values[name]).all()]
    if unknown:
        _log.warning(
            "%s: %s: unknown for every face, as in tables of older programs, and what is unknown fails; run encode "
            "--fresh, or drop a limit with --limit NAME=off",
            files[0],
            ", ".join(unknown),
        )
    return table.photos.path.tolist(), iter([table])


def _is_table_piped() -> bool:
    """Say whether standard input starts like an npz or a pickle: no list of photos does."""
    stream = sys.stdin.buffer
    if sys.stdin.isatty() or not isinstance(stream, io.BufferedReader):
        return False
    return stream.peek(2)[:2] in (b"PK", b"\x80\x04", b"\x80\x05")


# ------------------------------------------------------------------------------------------------- pictures


def _annotated(
    checked: Iterable[CheckedPhoto], directory: Path, paths: Sequence[str], jobs: int, tally: Tally
) -> Generator[CheckedPhoto, None, None]:
    """Pass photos on, and write their pictures behind them; what could not be drawn goes to `tally`.

    Raises:
        OutputError: the folder cannot be written, or holds files of the user's, or results of cluster.
    """
    from facecluster.durable.own_files import ResultFolder
    from facecluster.render.annotate import make_picture, name_pictures
    from facecluster.render.montage import permissions_of
    from facecluster.table import UNREADABLE

    if (directory / CLUSTERS).exists():
        raise OutputError(
            f"{directory}: holds the results of cluster; choose another folder for the pictures"
        )
    name_of = name_pictures(paths)
    folder = ResultFolder(directory, paths)
    folder.prepare(name_of.values(), {}, "none")
    waiting: deque[tuple[str, Future[bytes]]] = deque()

    def write() -> None:
        path, picture = waiting.popleft()
        try:
            folder.write(name_of[path], [picture.result()], permissions=permissions_of([path]))
        except PhotoError as error:
            tally.undrawn.append((path, str(error)))
        else:
            tally.n_pictures += 1

    threads = jobs if jobs > 0 else os.cpu_count() or 1
    pool = ThreadPoolExecutor(threads)
    try:
        for photo in checked:
            yield photo
            if photo.status != UNREADABLE:
                waiting.append((photo.path, pool.submit(make_picture, photo)))
            while len(waiting) > 2 * threads:
                write()
        while waiting:
            write()
    finally:
        pool.shutdown(cancel_futures=True)


# --------------------------------------------------------------------------------------------------- telling


@dataclass
class Tally:
    """How many of everything.

    Attributes:
        failures: by name of the limit.
        lost_folders: folders that could not be read, and links that might lead to one.
        found: the photos, and what is not looked at; of a face table nothing.
        undrawn: path of each photo whose picture could not be made, and why.
    """

    photos: int = 0
    no_face: int = 0
    unreadable: int = 0
    faces: int = 0
    passing: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    lost_folders: int = 0
    found: Found = field(default_factory=lambda: Found([]))
    n_pictures: int = 0
    undrawn: list[tuple[str, str]] = field(default_factory=list)

    def add(self, photo: CheckedPhoto) -> None:
        """Count a photo and its faces."""
        self.photos += 1
        self.no_face += photo.status == "no_face"
        self.unreadable += photo.status == "unreadable"
        self.faces += len(photo.faces)
        self.passing += sum(face.passed for face in photo.faces)
        self.failures.update(failure.name for face in photo.faces for failure in face.failures)

    @property
    def all_pass(self) -> bool:
        """Whether everything was seen, there is a face in every photo, and every face passes."""
        return self.passing == self.faces and not (self.no_face or self.unreadable or self.lost_folders)

    def summary(self, limits: Mapping[str, Limit], directory: Path | None) -> str:
        """Say in a few lines how many pass, which limits fail most, and where the pictures are."""
        faceless = f"{self.no_face} without a face, {self.unreadable} unreadable"
        lines = [
            f"{self.passing} of {many(self.faces, 'face')} pass; {many(self.photos, 'photo')}: {faceless}"
        ]
        rows = [(f"{number} fail", f"{name} {limits[name]}") for name, number in self.failures.most_common()]
        lines += [f"  {line}" for line in aligned(rows, right=(0,), least=(12,))]
        if self.lost_folders:
            lines.append(f"{many(self.lost_folders, 'folder or link', 'folders or links')} could not be read")
        if self.undrawn:
            n = len(self.undrawn)
            lines.append(
                f"{many(n, 'photo')} cannot be read (any more), and {'has' if n == 1 else 'have'} no picture:"
            )
            lines += [f"  {printable(path)}: {why}" for path, why in self.undrawn[:_N_LISTED]]
            if len(self.undrawn) > _N_LISTED:
                lines.append(f"  ... and {len(self.undrawn) - _N_LISTED} more")
        if directory is not None:
            lines.append(f"{printable(str(directory))}: {many(self.n_pictures, 'picture')}")
        return "\n".join(lines)


@dataclass(frozen=True)
class Layout:
    """Columns of the table on a terminal.

    Attributes:
        root: folder that all photos are in; left out of their names.
        photo_width: of the column of photos, in cells of the terminal.
        width: of the terminal.
    """

    root: str
    photo_width: int
    width: int

    @classmethod
    def make(cls, paths: Sequence[str], width: int) -> Layout:
        """Give the names of the photos what they need, up to two fifths of the width."""
        try:
            root = os.path.commonpath([os.path.dirname(path) for path in paths])
        except ValueError:  # on different drives
            root = ""
        widest = max(n_cells(_label(path, root)) for path in paths)
        return cls(root, min(max(widest, len("photo")), max(2 * width // 5, 12)), width)

    def header(self) -> str:
        """Name the columns."""
        return self._row("photo", "face", "", "limits that fail").rstrip("\n")

    def rows(self, photo: CheckedPhoto) -> Iterator[str]:
        """Write a line or more a face; one without a face where there is none."""
        label = _label(photo.path, self.root)
        if not photo.faces:
            yield self._row(label, "-", "fail", photo.reason or "no face")
        for face in photo.faces:
            # No-break spaces keep a limit on one line.
            text = ", ".join(failure.text.replace(" ", "\xa0") for failure in face.failures)
            yield self._row(label, str(face.number), "pass" if face.passed else "fail", text)

    def _row(self, label: str, number: str, verdict: str, text: str) -> str:
        label = end_of(label, self.photo_width)
        lines = _wrapped(text, self.width - self.photo_width - 14)
        indent = " " * (self.photo_width + 14)
        if self.width - len(indent) < _LEAST_ROOM and text:  # below, where there is room
            lines, indent = ["", *_wrapped(text, self.width - 4)], " " * 4
        first, *others = lines
        start = aligned([(label, number, verdict, first)], right=(1,), least=(self.photo_width, 4, 4))
        return "\n".join([*start, *(indent + other for other in others)]) + "\n"


def _wrapped(text: str, width: int) -> list[str]:
    """Cut into lines at spaces, not at no-break spaces, which become plain ones."""
    lines = wrapped(printable(text), max(width, 10)) or [""]
    return [line.replace("\xa0", " ") for line in lines]


def _label(path: str, root: str) -> str:
    return printable(os.path.relpath(path, root) if root else path)
