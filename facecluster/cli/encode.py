"""`facecluster encode`: photos in, a face table out."""

from __future__ import annotations

import functools
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facecluster.cli.config import tell_remembered
from facecluster.cli.parameters import FloatRange
from facecluster.cli.sources import list_unreadable
from facecluster.encoding.keep import Keep
from facecluster.errors import FaceclusterError, UsageError
from facecluster.identity.check import PRESETS
from facecluster.text import many, photos_in_words, printable, without

if TYPE_CHECKING:  # OpenCV, NumPy and the networks are loaded when there is work to do
    import numpy as np
    from numpy.typing import NDArray

    from facecluster.encoding.pipeline import Encoded
    from facecluster.photos.find import Found
    from facecluster.progress import Bar
    from facecluster.table import FaceTable

_log = logging.getLogger(__name__)

_N_LISTED = 10
"""Unreadable photos, others that are replaced, or with faces that fail the check, that the summary names."""


@dataclass(frozen=True)
class Request:
    """What a user asks of encode and of verbs like it, whatever the output.

    Attributes:
        paths: files, folders, "-" for a list on standard input.
        null: names of that list end with NUL, not with a line end.
        chosen: fields of `options.EncodeOptions` that were given.
        jobs: worker processes; -1 is one a core.
        quiet: neither progress nor summary.
        any_name: see `photos.find.search`; None: the verb has no such option.
        fresh: see `pipeline.encode_photos`.
        keep: which earlier photos stay that are not among these; see `keep.Keep`.
        verbose: name every unreadable photo, and every other with faces that fail the check.
    """

    paths: tuple[str, ...]
    null: bool
    chosen: Mapping[str, Any]
    jobs: int
    quiet: bool
    any_name: bool | None = None
    fresh: bool = False
    keep: Keep = field(default_factory=Keep)
    verbose: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        """Absolute paths of the files and folders that are named."""
        return tuple(os.path.abspath(path) for path in self.paths if path != "-")


_CHOICES = [
    click.option(
        "-d",
        "--detector",
        "--detection-method",
        type=click.Choice(["yunet", "cnn", "hog"]),
        help="What finds faces: yunet, or one of dlib's two.  [default: yunet]",
    ),
    click.option(
        "--encoder",
        type=click.Choice(["sface", "dlib"]),
        help="What tells people apart: sface is more accurate; dlib gives face_recognition's numbers.  "
        "[default: sface]",
    ),
    click.option(
        "--min-face",
        type=FloatRange(min=0),
        metavar="PIXELS",
        help="Leave out faces smaller than this in the photo.  [default: 24]",
    ),
    click.option(
        "--max-side",
        type=click.IntRange(min=0),
        metavar="PIXELS",
        help="Look for faces in photos reduced to this long side; 0 is full size. Boxes, sizes and crops are of "
        "the full photo anyway.  [default: by detector]",
    ),
    click.option(
        "--upsample",
        type=click.IntRange(0, 4),
        metavar="TIMES",
        help="How often cnn and hog double the photo first, to find smaller faces; only up to 13 megapixels.  "
        "[default: 1]",
    ),
    click.option(
        "--mirror/--no-mirror",
        default=None,
        help="Encode each face and its mirror image, and keep the mean: slower, a little more accurate.  "
        "[default: no-mirror]",
    ),
    click.option(
        "--fps",
        type=FloatRange(min=0.01, max=60),
        metavar="FRAMES",
        help="Look at so many frames of a video each second; one more at each cut.  [default: 1]",
    ),
    click.option(
        "--truncated/--no-truncated",
        default=None,
        help="Look for faces in what is there of photos of which a part is missing, which are unreadable otherwise.  "
        "[default: no-truncated]",
    ),
]
"""The fields of `options.EncodeOptions`, which has the defaults; a test compares them with the help."""

_PHOTOS = [
    click.argument("paths", nargs=-1, metavar="[PATHS]..."),
    click.option("-i", "--dataset", metavar="DIR", help="A folder of photos, like PATHS."),
    click.option("-0", "--null", is_flag=True, help="Names on standard input end with NUL (find -print0)."),
    click.option(
        "--any-name",
        is_flag=True,
        help="Look into all files of folders: photos and videos are told by their first bytes, whatever their names.",
    ),
    *_CHOICES,
    click.option(
        "-j",
        "--jobs",
        type=click.IntRange(min=-1),
        default=-1,
        help="Worker processes.  [default: one a core]",
    ),
    click.option("-q", "--quiet", is_flag=True, help="Neither progress nor summary."),
]

_OUTPUT = [
    click.option("--fresh", is_flag=True, help="Encode every photo again, whatever the output holds."),
    click.option(
        "--prune",
        is_flag=True,
        help="Let photos go that are not there any more, also where their folder is gone, or more than a third of it.",
    ),
    click.option(
        "--keep-missing", is_flag=True, help="Keep all photos of the output that are not there any more."
    ),
    click.option(
        "--append",
        is_flag=True,
        help="Add PATHS to the photos of the output, which all stay, there any more or not.",
    ),
    click.option(
        "--check",
        type=click.Choice(list(PRESETS)),
        help="Keep only faces that pass (see check: its presets), and say why the others do not.  [default: none]",
    ),
    click.option(
        "--attributes/--no-attributes",
        default=None,
        help="Also estimate how old each face looks, and its apparent gender: guesses, see the README.  "
        "[default: no-attributes]",
    ),
    click.option(
        "-v",
        "--verbose",
        is_flag=True,
        help="Name every unreadable photo, every one with faces that fail --check, and where each setting is from.",
    ),
]


def photo_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add PATHS and how to analyse them to a command, which gets them as `request: Request`."""

    @functools.wraps(function)
    def with_options(
        *,
        paths: tuple[str, ...],
        dataset: str | None,
        null: bool,
        any_name: bool,
        detector: str | None,
        encoder: str | None,
        min_face: float | None,
        max_side: int | None,
        upsample: int | None,
        mirror: bool | None,
        fps: float | None,
        truncated: bool | None,
        jobs: int,
        quiet: bool,
        **others: Any,
    ) -> Any:
        choices = {
            "detector": detector,
            "encoder": encoder,
            "min_face": min_face,
            "max_side": max_side,
            "upsample": upsample,
            "mirror": mirror,
            "fps": fps,
            "truncated": truncated,
        }
        chosen = {name: value for name, value in choices.items() if value is not None}
        given = paths if dataset is None else (*paths, dataset)
        if not given:
            raise UsageError("which photos? Give files or folders, or - for a list on standard input")
        if null and "-" not in given:
            raise UsageError("-0 is about the list on standard input; give - for it")
        return function(request=Request(given, null, chosen, jobs, quiet, any_name), **others)

    for option in reversed(_PHOTOS):
        with_options = option(with_options)
    return with_options


def encode_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add PATHS and the options of encoding to a command, which gets them as `request: Request`."""

    @functools.wraps(function)
    def with_options(
        *,
        request: Request,
        fresh: bool,
        prune: bool,
        keep_missing: bool,
        append: bool,
        check: str | None,
        attributes: bool | None,
        verbose: bool,
        **others: Any,
    ) -> Any:
        if prune and (keep_missing or append):
            raise UsageError(
                f"--prune lets go what --{'append' if append else 'keep-missing'} keeps; give one of them"
            )
        chosen = dict(request.chosen)
        if check is not None:
            chosen["check"] = None if check == "none" else check
        if attributes is not None:
            chosen["attributes"] = attributes
        keep = Keep(request.sources, prune=prune, missing=keep_missing, append=append)
        request = replace(request, chosen=chosen, fresh=fresh, keep=keep, verbose=verbose)
        return function(request=request, **others)

    for option in reversed(_OUTPUT):
        with_options = option(with_options)
    return photo_options(with_options)


@click.command("encode")
@click.option(
    "-o",
    "--output",
    "-e",
    "--encodings",
    required=True,
    metavar="FILE",
    help="The face table: .npz, or .pickle for programs that read the older one; - is npz on standard output.",
)
@encode_options
def command(request: Request, output: str) -> None:
    """Find the faces in photos and write them to a face table.

    PATHS are photos, folders of photos, or - for a list of such on standard input. If FILE is there, only photos that
    are new to it, by content, are analysed. Interrupted, the same command goes on where it was.
    """
    if output == "-":
        from facecluster.formats import face_table

        if request.keep.append:
            raise UsageError(
                "--append adds to a face table, and standard output is none; give a file with -o"
            )
        if sys.stdout.isatty():
            raise UsageError("standard output is a terminal; give a file with -o, or pipe it on")
        face_table.write(encode(request, None), sys.stdout.buffer)
        return
    encode(request, Path(output))


def encode(request: Request, output: Path | None) -> FaceTable:
    """Find the photos, encode them, and tell how it went on stderr.

    Args:
        request: what is asked.
        output: where the table goes; None: nowhere.

    Raises:
        FaceclusterError: as `pipeline.encode_photos` and `find` raise it.
    """
    from facecluster.encoding.pipeline import encode_photos
    from facecluster.formats.face_table import check_output, format_of
    from facecluster.library.settings import encoding_of, remembered_encoding, settings_in
    from facecluster.table import UNREADABLE

    start = time.monotonic()
    if request.quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    if output is not None:
        check_output(output)
    found = find_in_order(request)
    paths = found.photos
    chosen, earlier = dict(request.chosen), settings_in(output)
    options = encoding_of(chosen, earlier)
    if request.verbose and not request.quiet:
        tell_remembered(remembered_encoding(chosen, earlier), "face table")
    with progress(len(paths), quiet=request.quiet) as bar:
        encoded = encode_photos(
            paths,
            options,
            output=output,
            jobs=request.jobs,
            fresh=request.fresh,
            keep=request.keep,
            advance=bar.update,
        )
    if not request.quiet:
        click.echo(summary(encoded, found, time.monotonic() - start, request, output), err=True)
        is_unreadable = encoded.asked & (encoded.table.photos.status == UNREADABLE)
        if output is not None and format_of(output) == "npz" and is_unreadable.any():
            click.echo(f"to list the unreadable photos again: {list_unreadable(str(output))}", err=True)
    return encoded.table


def find(request: Request, lost: Callable[[str], None] = _log.warning) -> Found:
    """Find the photos that are asked for.

    Args:
        request: what is asked.
        lost: called with a message for each folder that cannot be read.

    Raises:
        UsageError: as `search` raises it; the list on standard input makes no sense.
        FaceclusterError: there are none.
    """
    from facecluster.photos.find import search

    named = [path for path in request.paths if path != "-"]
    listed = _listed(null=request.null) if "-" in request.paths else []
    found = search(named, any_name=bool(request.any_name), listed=listed, report=_log.warning, lost=lost)
    found.some_photos(
        hint="" if request.any_name is not False else ", or --any-name to look into all of these"
    )
    return found


def find_in_order(request: Request) -> Found:
    """Find the same photos sorted by name, folder by folder: in whichever order they are given, a table is the same."""
    found = find(request)
    return replace(found, photos=sorted(found.photos, key=lambda path: path.split(os.sep)))


def about_others(found: Found, request: Request) -> list[str]:
    """Say in a line what was not looked at; none where there is nothing."""
    hint = " (--any-name looks into them)" if request.any_name is False else ""
    line = found.aside(hint=hint, all_kinds=request.verbose)
    return [line] if line else []


def progress(n_photos: int, *, quiet: bool) -> Bar:
    """Make a bar on stderr, shown where that is a terminal, once it takes longer than a moment."""
    from facecluster.progress import bar

    return bar(total=n_photos, what="photos", shown=not quiet)


def _listed(*, null: bool) -> list[str]:
    """Read the names on standard input."""
    if sys.stdin.isatty():
        raise UsageError("standard input is a terminal; pipe a list of photos in, as find does")
    text = sys.stdin.buffer.read()
    if null:
        return [os.fsdecode(name) for name in text.split(b"\0") if name]
    from facecluster.formats.photo_list import read_list

    try:
        return read_list(text)
    except FaceclusterError as error:
        raise UsageError(f"standard input: {error}") from error


def summary(encoded: Encoded, found: Found, seconds: float, request: Request, output: Path | None) -> str:
    """Say in a few lines what was found, what could not be read or fails the check, and how long it took.

    All but the earlier photos' number is about those that were asked for.
    """
    import numpy as np

    from facecluster.table import NO_FACE, UNREADABLE

    table, asked = encoded.table, encoded.asked
    photos, faces = table.photos, asked[table.faces.photo]
    unreadable = asked & (photos.status == UNREADABLE)
    faceless = asked & (photos.status == NO_FACE)
    n_forgotten = int(np.count_nonzero(asked & photos.all_forgotten()))
    counts = (
        f"{without(int(faceless.sum()), n_forgotten)}, {unreadable.sum()} unreadable, "
        f"{encoded.n_reused} known from before"
    )
    n_asked, n_found = int(np.count_nonzero(asked)), int(np.count_nonzero(faces))
    of_all = photos_in_words(n_asked, int(np.count_nonzero(asked & photos.is_video)))
    lines = [f"{of_all} with {many(n_found, 'face')}; {counts}"]
    lines += about_others(found, request)
    lines += _about_earlier(encoded, request)

    def tell(texts: list[str]) -> None:
        shown = texts if request.verbose else texts[:_N_LISTED]
        lines.extend(f"  {printable(text)}" for text in shown)
        if len(shown) < len(texts):
            lines.append(f"  ... and {len(texts) - len(shown)} more (-v names all)")

    def why(what: str, rows: NDArray[np.bool_]) -> list[str]:
        return [f"{what}: {photos.path[i]}: {photos.reason[i]}" for i in rows.nonzero()[0].tolist()]

    if encoded.replaced:
        n = len(encoded.replaced)
        lines.append(
            f"{many(n, 'photo')} {'has' if n == 1 else 'have'} other content now, or none: earlier faces are gone"
        )
        tell([f"replaced: {path}" for path in encoded.replaced])
    tell(why("unreadable", unreadable))
    if not table.settings.options.get("truncated") and any(map(_is_cut_off, photos.reason[unreadable])):
        lines.append("  to look for faces in what is there of photos that are cut off: --truncated")
    check = table.settings.options.get("check")
    remarked = asked & (photos.status != UNREADABLE) & (photos.reason != "")
    refused = remarked & (photos.lost > 0) if check is not None else np.zeros_like(remarked)
    tell(why("not all of it could be read", remarked & ~refused))
    if check is not None:
        n, n_refused = encoded.n_refused, int(refused.sum())
        lines.append(
            f"{many(n, 'new face')} {'fails' if n == 1 else 'fail'} the check {check}: left out; "
            f"of these photos {n_refused} {'has' if n_refused == 1 else 'have'} such faces, "
            f"{(refused & faceless).sum()} no others"
        )
        tell(why("left out", refused))
    rate = f", {encoded.n_new_faces / seconds:.1f} new faces a second" if encoded.n_new_faces else ""
    lines.append(f"{'' if output is None else f'{printable(str(output))}: '}{seconds:.1f} s{rate}")
    return "\n".join(lines)


def _is_cut_off(reason: str) -> bool:
    """Whether a photo is unreadable for a reason that `--truncated` mends."""
    return "truncated" in reason or "a part of its picture is missing" in reason


def _about_earlier(encoded: Encoded, request: Request) -> list[str]:
    """Say what became of photos that were there before: the ones that went or are missing by name."""
    kept, lines = encoded.kept, []
    holding = {os.path.dirname(path) for path in encoded.table.photos.path[encoded.asked].tolist()}
    if request.keep.append or request.keep.missing:
        if kept.rows:
            table = encoded.table
            lines.append(
                f"{many(len(kept.rows), 'earlier photo')} not among these: kept; "
                f"the table has {many(len(table.photos), 'photo')} with {many(len(table.faces), 'face')}"
            )
    elif kept.unseen:
        lines.append(f"{many(kept.unseen, 'earlier photo')} that nobody looked at now: kept")
    if kept.renamed:
        lines.append(
            f"{many(len(kept.renamed), 'photo')} {_have(len(kept.renamed))} another name or place now"
        )
    if encoded.edited:
        n = len(encoded.edited)
        lines.append(
            f"{many(n, 'photo')} {_are(n)} edited since, and known again{_shown(encoded.edited, request)}"
        )
    if kept.dropped:
        n = len(kept.dropped)
        lines.append(f"{many(n, 'photo')} {_are(n)} gone, and left out now{_shown(kept.dropped, request)}")
    for folder, paths in kept.held.items():
        n, there = len(paths), folder in holding
        why = "more than a third of the folder is gone" if there else "the folder is "
        if not there:
            why += "empty" if os.path.isdir(folder) else "not there"
        lines.append(
            f"{printable(folder)}: {many(n, 'photo')} {_are(n)} not there; kept, as {why} (--prune lets them go)"
            f"{_shown(paths, request) if there else ''}"
        )
    if encoded.left_out:
        n, photos = sum(encoded.left_out.values()), tuple(encoded.left_out)
        lines.append(f"{many(n, 'face')} {_are(n)} forgotten, and left out again{_shown(photos, request)}")
    return lines


def _shown(paths: Sequence[str], request: Request) -> str:
    """Name photos, each in a line: the first ones, or all with -v."""
    shown = paths if request.verbose else paths[:_N_LISTED]
    more = f"\n  ... and {len(paths) - len(shown)} more (-v names all)" if len(shown) < len(paths) else ""
    return ":" + "".join(f"\n  {printable(path)}" for path in shown) + more


def _have(number: int) -> str:
    return "has" if number == 1 else "have"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
