"""`facecluster cluster`: a face table in; people as records, folders of photos and montages out."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from facecluster.errors import UsageError
from facecluster.identity.gate import Limits, Reason

if TYPE_CHECKING:  # NumPy and OpenCV are loaded when there is work to do
    from facecluster.identity.rules import Rules, SamePhoto
    from facecluster.output.folders import Link
    from facecluster.output.records import AlmostPerson, Lack, Person, Result
    from facecluster.table import FaceTable

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

CLUSTERS = "clusters.json"
_LINKS = ("copy", "hardlink", "symlink", "none")
_BLOCK = 64
"""Montages that may wait for being written."""
_N_ALMOST = 10
"""Almost-people that the summary tells of."""
_N_PHOTOS = 3
"""Photos of one that it names, of those that count and of the others."""


@dataclass(frozen=True)
class ClusterOptions:
    """What a user may choose about clustering; None is the encoder's default."""

    limits: Limits = Limits()
    gate: bool = True
    eps: float | None = None
    min_samples: int | None = None
    same_photo: SamePhoto = "prefer"
    link: Link = "copy"

    def rules(self, encoder: str) -> Rules:
        """Fill in what the encoder decides.

        Raises:
            TableError: an encoder nobody knows.
        """
        from facecluster.identity.rules import Rules

        return Rules.make(
            encoder,
            limits=self.limits,
            gate=self.gate,
            eps=self.eps,
            min_samples=self.min_samples,
            same_photo=self.same_photo,
        )


def cluster_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of clustering to a command, which gets them as `options: ClusterOptions`."""

    @functools.wraps(function)
    def with_options(
        *,
        min_images: int,
        min_size: float,
        max_angle: float,
        min_quality: float,
        no_gate: bool,
        eps: float | None,
        min_samples: int | None,
        same_photo: SamePhoto,
        link: Link,
        **others: Any,
    ) -> Any:
        limits = Limits(min_images, min_size, max_angle, min_quality)
        options = ClusterOptions(limits, not no_gate, eps, min_samples, same_photo, link)
        return function(options=options, **others)

    limits = Limits()
    for option in reversed(
        [
            click.option(
                "--min-images",
                type=click.IntRange(min=1),
                default=limits.min_images,
                show_default=True,
                help="Different photos that a person needs; copies and near-duplicates count once.",
            ),
            click.option(
                "--min-size",
                type=click.FloatRange(min=0),
                default=limits.min_size_px,
                show_default=True,
                help="A face that founds a person is wider and higher than this, in pixels.",
            ),
            click.option(
                "--max-angle",
                type=click.FloatRange(min=0),
                default=limits.max_angle_deg,
                show_default=True,
                help="... and is turned, tilted and rolled by less than this, in degrees.",
            ),
            click.option(
                "--min-quality",
                type=click.FloatRange(0, 1),
                default=limits.min_quality,
                show_default=True,
                help="... and is of better quality than this.",
            ),
            click.option(
                "--no-gate", is_flag=True, help="Let every face found a person, whatever it looks like."
            ),
            click.option(
                "--eps",
                type=click.FloatRange(min=0, min_open=True),
                help="Distance up to which two faces link.  [default: by encoder]",
            ),
            click.option(
                "--min-samples",
                type=click.IntRange(min=1),
                help="Faces within that distance, itself included, that let a face link others.  "
                "[default: 3, or --min-images if that is less]",
            ),
            click.option(
                "--same-photo",
                type=click.Choice(["forbid", "prefer", "allow"]),
                default="prefer",
                show_default=True,
                help="May two faces of one photo be one person's: never, only if they are very alike (mirrors, "
                "collages), or as any others.",
            ),
            click.option(
                "--link",
                type=click.Choice(_LINKS),
                default="copy",
                show_default=True,
                help="How photos get into the folders of people; none: no folders.",
            ),
        ]
    ):
        with_options = option(with_options)
    return with_options


@click.command("cluster")
@click.argument("file", required=False, metavar="[FILE]")
@click.option("-e", "--encodings", metavar="FILE", help="The same as FILE.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder for the results. Only what facecluster put there before is replaced.",
)
@cluster_options
@click.option("-j", "--jobs", type=click.IntRange(min=-1), default=-1, help="Threads.  [default: one a core]")
@click.option("--json", "as_json", is_flag=True, help=f"Print {CLUSTERS} instead of the table of people.")
@click.option("-q", "--quiet", is_flag=True, help="Neither progress nor summary.")
@click.option("-v", "--verbose", is_flag=True, help="Say which distances and limits were used.")
def command(
    file: str | None,
    encodings: str | None,
    output: Path,
    options: ClusterOptions,
    jobs: int,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Group the faces of a face table by person.

    FILE is what encode wrote, .npz or .pickle, or - for standard input. DIR gets clusters.json, a folder and a
    montage of each person, and a folder of the photos in which nobody was recognised.
    """
    from facecluster import store

    if quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    table = store.read(_source(file, encodings))
    warn_if_outdated(table, file or encodings or "standard input")
    result = cluster_table(table, output, options, jobs=jobs, progress=not quiet)
    if verbose and not quiet:
        used = {**result.settings["cluster"], **result.settings["cluster"]["radii"]}
        click.echo(
            "used: " + ", ".join(f"{k} {v}" for k, v in used.items() if not hasattr(v, "keys")), err=True
        )
    print_result(result, as_json=as_json)
    if not quiet:
        click.echo(summary(result, output, options), err=True)


def _source(file: str | None, encodings: str | None) -> Any:
    """The one table that was named: a path, or standard input."""
    named = [name for name in (file, encodings) if name is not None]
    if len(named) != 1:
        problem = "which face table? Give FILE" if not named else "two face tables are given; give one"
        raise UsageError(f"{problem}, or - for standard input")
    if named[0] != "-":
        return named[0]
    if sys.stdin.isatty():
        raise UsageError("standard input is a terminal; pipe a face table in, or give FILE")
    return sys.stdin.buffer


def cluster_table(
    table: FaceTable,
    directory: Path,
    options: ClusterOptions = ClusterOptions(),
    *,
    jobs: int = -1,
    progress: bool = False,
) -> Result:
    """Say who is who, and write all of it to a folder.

    Args:
        table: the faces.
        directory: gets clusters.json, folders of photos, montages; made if it is not there.
        options: see `ClusterOptions`.
        jobs: threads; -1 is one a core.
        progress: show a bar on stderr where that is a terminal.

    Returns:
        What clusters.json holds.

    Raises:
        TableError: an encoder nobody knows.
        OutputError: the folder cannot be written, or holds files of the user's under names that are needed.
    """
    from facecluster.identity.cluster import cluster_faces
    from facecluster.output import folders
    from facecluster.output.records import make_result, to_json

    rules = options.rules(table.settings.encoder)
    threads = jobs if jobs > 0 else os.cpu_count() or 1
    folder = folders.ResultFolder(directory, table.photos.path.tolist())
    result = make_result(table, cluster_faces(table, rules, jobs=threads), rules)

    planned: dict[str, str] = {}
    if options.link != "none":
        planned, evaded = folders.plan(result, folder.foreign())
        if evaded:
            whose = ("a file", "has it") if evaded == 1 else ("files", "have theirs")
            _log.warning(
                "%s got another name, as %s of yours in %s %s",
                _many(evaded, "photo"), whose[0], directory, whose[1],
            )  # fmt: skip
    montages = {person.id: f"{person.id}_montage.jpg" for person in result.people}
    entries = folder.prepare([CLUSTERS, *montages.values()], planned, options.link)

    folder.write(CLUSTERS, (piece.encode("ascii") for piece in to_json(result)))
    n_placed = folder.place(_track(entries, "photos", progress))
    if n_placed < len(planned):
        n_gone = len(planned) - n_placed
        are = "is" if n_gone == 1 else "are"
        _log.warning(
            "%s %s gone or cannot be read, and %s missing in the folders", _many(n_gone, "photo"), are, are
        )
    sizes = dict(zip(table.photos.path.tolist(), map(tuple, table.photos.size.tolist()), strict=True))
    n_without = 0
    for person, montage in _montages(_track(result.people, "montages", progress), sizes, threads):
        if montage is None:
            n_without += 1
        else:
            folder.write(montages[person.id], [montage])
    if n_without:
        _log.warning(
            "%s %s no montage, as none of their photos can be read",
            _many(n_without, "person", "people"),
            "has" if n_without == 1 else "have",
        )
    return result


def _montages(
    people: Iterable[Person], sizes: dict[str, tuple[int, int]], threads: int
) -> Iterator[tuple[Person, bytes | None]]:
    """Make montages in several threads (decoding is nearly all of it), a bounded number ahead of their use."""
    from collections import deque

    from facecluster.output.montage import make_montage

    pool = ThreadPoolExecutor(threads)
    try:
        waiting = deque[Any]()
        for person in people:
            waiting.append((person, pool.submit(make_montage, person, sizes)))
            if len(waiting) >= _BLOCK:
                done, montage = waiting.popleft()
                yield done, montage.result()
        for done, montage in waiting:
            yield done, montage.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _track(items: Sequence[_T], what: str, progress: bool) -> Iterable[_T]:
    """Show how far it is, where somebody looks."""
    from tqdm import tqdm

    bar: Iterable[_T] = tqdm(items, desc=what, unit="", leave=False, disable=None if progress else True)
    return bar


def print_result(result: Result, *, as_json: bool) -> None:
    """Print the people on stdout: one a line, or as clusters.json has them."""
    from facecluster.output.records import to_json

    if as_json:
        for piece in to_json(result):
            sys.stdout.write(piece)
        return
    rows = [("person", "faces", "photos", "cover")]
    for person in result.people:
        cover = os.fsencode(person.faces[0].photo).decode("utf-8", "backslashreplace")
        rows.append((person.id, str(person.n_faces), str(person.n_photos), cover))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for name, faces, photos, cover in rows if result.people else []:
        click.echo(f"{name:<{widths[0]}}  {faces:>{widths[1]}}  {photos:>{widths[2]}}  {cover}")


def summary(result: Result, directory: Path, options: ClusterOptions) -> str:
    """Say in a few lines what was found, what was left out and why, and where the pictures are."""
    counts = result.counts
    lines = [
        f"{_many(counts.photos, 'photo')}: {counts.no_face} without a face, {counts.unreadable} unreadable",
        f"{_many(counts.people, 'person', 'people')} with {counts.clustered} of {_many(counts.faces, 'face')}",
    ]
    left = sorted(counts.unclustered.items(), key=lambda item: -item[1])
    if left:
        n_left = sum(counts.unclustered.values())
        lines.append(f"{_many(n_left, 'face')} {'is' if n_left == 1 else 'are'} left out:")
        lines += [f"  {number:>7}  {Reason[code.upper()].text}" for code, number in left]
    lines += [f"almost a person: {_almost(almost)}" for almost in result.almost[:_N_ALMOST]]
    if len(result.almost) > _N_ALMOST:
        lines.append(f"... and {len(result.almost) - _N_ALMOST} more in {CLUSTERS}")
    unknown = sum(counts.unclustered.get(r.code, 0) for r in (Reason.NO_POSE, Reason.NO_QUALITY))
    small = counts.unclustered.get(Reason.TOO_SMALL.code, 0)
    if not counts.faces:
        lines.append("Nobody was found: there is no face in the table.")
    elif not counts.people and options.gate and unknown and unknown + small == counts.faces:
        lines.append(
            "Nobody was found: the table says nothing of pose and quality, as those of older programs. "
            "Run encode again, or let every face count with --no-gate."
        )
    elif not counts.people:
        lines.append(
            f"Nobody was found: no one is in {_many(options.limits.min_images, 'photo', 'different photos')} with "
            "faces that are alike and good enough. "
            "See --min-images, --min-size, --max-angle, --min-quality, --no-gate, --eps."
        )
    what = CLUSTERS if options.link == "none" else f"{CLUSTERS}, folders of photos"
    lines.append(f"{directory}: {what}" + (", a montage of each person" if counts.people else ""))
    return "\n".join(lines)


def warn_if_outdated(table: FaceTable, name: str) -> None:
    """Say that pose and quality of a table mean something else than today."""
    known = table.faces.quality == table.faces.quality
    if table.settings.outdated and known.any():
        _log.warning(
            "%s: an older facecluster measured pose and quality by other formulas; encode --fresh measures them anew",
            name,
        )


def _almost(almost: AlmostPerson) -> str:
    """Say what is there and what is missing: "2 of 3 photos (a.jpg, b.jpg); c.jpg fails yaw 34° (limit 30°)"."""
    counting = {face.photo: None for face in almost.faces if not face.missing}
    others: dict[str, Sequence[Lack]] = {}
    for face in almost.faces:
        if face.photo not in counting:
            others.setdefault(face.photo, face.missing)
    names = [_name(photo) for photo in counting]
    lacking = [f"{_name(photo)} {_lacking(lacks)}" for photo, lacks in others.items()]
    n_needed = almost.n_photos_needed - almost.n_photos
    there = f"{almost.n_photos} of {_many(almost.n_photos_needed, 'photo')} ({_some(names, _N_PHOTOS)})"
    return "; ".join([there, _some(lacking, min(n_needed, _N_PHOTOS), "; ")] if lacking else [there])


def _some(texts: Sequence[str], number: int, separator: str = ", ") -> str:
    """Name the first ones and count the rest."""
    rest = [f"{len(texts) - number} more"] if len(texts) > number else []
    return separator.join([*texts[:number], *rest])


def _lacking(lacks: Sequence[Lack]) -> str:
    """Put into words what a face lacks: the numbers that fail, and what is not known."""
    fails, others = [], []
    for lack in lacks:
        reason = Reason[lack.reason.upper()]
        if lack.value is not None and lack.limit is not None:
            name, unit, digits = _MEASURES[reason]
            fails.append(
                f"{name} {_beyond(lack.value, lack.limit, digits)}{unit} (limit {lack.limit:g}{unit})"
            )
        else:
            others.append(_UNMEASURED[reason])
    return ", ".join([f"fails {' and '.join(fails)}", *others] if fails else others)


_MEASURES = {
    Reason.TOO_SMALL: ("size", " px", 0),
    Reason.PITCH: ("pitch", "°", 0),
    Reason.YAW: ("yaw", "°", 0),
    Reason.ROLL: ("roll", "°", 0),
    Reason.LOW_QUALITY: ("quality", "", 2),
}
"""Name, unit and decimals of the number that a limit looks at."""
_UNMEASURED = {
    Reason.NO_POSE: "has an unknown pose",
    Reason.NO_QUALITY: "has an unknown quality",
    Reason.NEAR_DUPLICATE: "is a near-duplicate of another photo (counts once)",
}


def _beyond(value: float, limit: float, digits: int) -> str:
    """Round a number, without sign, to so many decimals, or to as many as show that it is not on its limit."""
    value = abs(value)
    while round(value, digits) == limit != value and digits < 6:
        digits += 1
    return f"{value:.{digits}f}"


def _name(photo: str) -> str:
    """The file's name, printable whatever its bytes."""
    return os.fsencode(os.path.basename(photo)).decode("utf-8", "backslashreplace")


def _many(number: int, one: str, many: str | None = None) -> str:
    """Count in words: "1 photo", "2 photos"."""
    return f"{number} {one if number == 1 else many or one + 's'}"
