"""`facecluster cluster`: a face table in; people as records, folders of photos and montages out."""

from __future__ import annotations

import functools
import json
import logging
import os
import shlex
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from facecluster.cli.number import FloatRange
from facecluster.errors import FaceclusterError, UsageError
from facecluster.identity.gate import Limits, Reason
from facecluster.output.words import many

if TYPE_CHECKING:  # NumPy and OpenCV are loaded when there is work to do
    from facecluster.identity.decisions import Namesakes
    from facecluster.identity.rules import Rules, SamePhoto
    from facecluster.output.folders import Link, ResultFolder
    from facecluster.output.records import AlmostPerson, Lack, Person, Result
    from facecluster.table import FaceTable

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

CLUSTERS = "clusters.json"
DAMAGED = "clusters.damaged.json"
"""What becomes of a record that cannot be read."""
_LINKS = ("copy", "hardlink", "symlink", "none")
_BLOCK = 64
"""Montages that may wait for being written."""
_N_ALMOST = 10
"""Almost-people that the summary tells of."""
_N_PHOTOS = 3
"""Photos of one that it names, of those that count and of the others."""


@dataclass(frozen=True)
class ClusterOptions:
    """What a user may choose about clustering; None is the encoder's default, of `decisions` see `ledger.file_of`."""

    limits: Limits = Limits()
    gate: bool = True
    eps: float | None = None
    min_samples: int | None = None
    same_photo: SamePhoto = "prefer"
    link: Link = "copy"
    decisions: Path | None = None
    update: bool = False

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
        decisions: Path | None = None,
        update: bool = False,
        **others: Any,
    ) -> Any:
        limits = Limits(min_images, min_size, max_angle, min_quality)
        options = ClusterOptions(limits, not no_gate, eps, min_samples, same_photo, link, decisions, update)
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
                type=FloatRange(min=0),
                default=limits.min_size_px,
                show_default=True,
                help="A face that founds a person is wider and higher than this, in pixels.",
            ),
            click.option(
                "--max-angle",
                type=FloatRange(min=0),
                default=limits.max_angle_deg,
                show_default=True,
                help="... and is turned, tilted and rolled by less than this, in degrees.",
            ),
            click.option(
                "--min-quality",
                type=FloatRange(0, 1),
                default=limits.min_quality,
                show_default=True,
                help="... and is of better quality than this.",
            ),
            click.option(
                "--no-gate", is_flag=True, help="Let every face found a person, whatever it looks like."
            ),
            click.option(
                "--eps",
                type=FloatRange(min=0, min_open=True),
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


decisions_option = click.option(
    "--decisions",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What was decided with name, merge, split, move and not-a-person.  "
    "[default: the file of the earlier result in DIR, else decisions.jsonl in DIR]",
)
update_option = click.option(
    "--update",
    is_flag=True,
    help="Leave the people of the earlier result in DIR as they are, and place new faces only: the time grows with "
    "these, not with the library. Says what a full run would change.",
)
"""For verbs that write a folder of results; before `cluster_options`, which takes them."""


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
@decisions_option
@update_option
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
    named = _source(file, encodings)
    table = store.read(named)
    warn_if_outdated(table, file or encodings or "standard input")
    source = os.path.abspath(named) if isinstance(named, str) else None
    result = cluster_table(table, output, options, source=source, jobs=jobs, progress=not quiet)
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
    source: str | None = None,
    jobs: int = -1,
    progress: bool = False,
) -> Result:
    """Say who is who, and write all of it to a folder.

    Args:
        table: the faces.
        directory: gets clusters.json, folders of photos, montages; made if it is not there. People keep the ids that
            they have in the earlier clusters.json.
        options: see `ClusterOptions`.
        source: absolute path of the file of the table; None: it came from standard input.
        jobs: threads; -1 is one a core.
        progress: show a bar on stderr where that is a terminal.

    Returns:
        What clusters.json holds.

    Raises:
        TableError: an encoder nobody knows.
        OutputError: the folder cannot be written, or holds files of the user's under names that are needed.
        FaceclusterError: a decision cannot be read, or they contradict each other.
    """
    import numpy as np

    from facecluster import ledger
    from facecluster.identity.cluster import cluster_faces, would_merge
    from facecluster.identity.decisions import mark, names, namesakes, resolve
    from facecluster.output.lineage import inherit, recall, rename
    from facecluster.output.records import make_result
    from facecluster.store import cannot_write

    rules = options.rules(table.settings.encoder)
    threads = jobs if jobs > 0 else os.cpu_count() or 1
    earlier = _earlier(directory)
    file = options.decisions or ledger.file_of({} if earlier is None else earlier.settings, directory)
    decisions = ledger.read(file)
    constraints = resolve(decisions, table.faces)
    if earlier is not None and options.decisions is None and not decisions:
        _warn_of_other_decisions(earlier, directory)
    try:  # before the long part
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(directory, error) from error
    known = None
    if options.update:
        why = _no_update(earlier, table, rules, mark(decisions))
        if why:
            _log.warning("no update, all faces are clustered: %s", why)
        elif earlier is not None:
            known = recall(earlier, table)
    clustering = cluster_faces(table, rules, constraints, earlier=known, jobs=threads)
    result = make_result(table, clustering, rules)
    settings = {
        "table": None if source is None else _seen_from(directory, source),
        "link": options.link,
        "decisions": mark(decisions),
        "decisions_file": None if _same_path(file, directory / ledger.DECISIONS) else os.path.abspath(file),
    }
    result = replace(result, settings={**result.settings, **settings})
    if earlier is not None:
        same = earlier.settings.get("decisions", "") == settings["decisions"]
        result = inherit(result, earlier, names=same)
    result = rename(result, names(decisions, table.faces, clustering.label))
    for pair in namesakes(decisions, table.faces, clustering.label):
        _warn_of_namesakes(result, directory, pair)
    changed = None
    if known is not None and earlier is not None:
        fresh = known.is_new | ((known.person < 0) & (clustering.label >= 0))
        pairs = would_merge(table, clustering, rules, constraints, changed=fresh, jobs=threads)
        since = earlier.settings.get("update", {"updates": 0, "new_faces": 0})
        update = {
            "updates": since["updates"] + 1,
            "new_faces": since["new_faces"] + int(np.count_nonzero(known.is_new)),
            "would_merge": [[result.people[one].id, result.people[other].id] for one, other in pairs],
        }
        result = replace(result, settings={**result.settings, "update": update})
        with_new = {result.people[number].id for number in set(clustering.label[fresh].tolist()) - {-1}}
        sizes_before = {person.id: person.n_faces for person in earlier.people}
        shrunk = {person.id for person in result.people if sizes_before.get(person.id, 0) > person.n_faces}
        changed = with_new | shrunk
    sizes = dict(zip(table.photos.path.tolist(), map(tuple, table.photos.size.tolist()), strict=True))
    write_result(
        result, directory, sizes=sizes, link=options.link, jobs=jobs, progress=progress, changed=changed
    )
    return result


def _no_update(earlier: Result | None, table: FaceTable, rules: Rules, decisions: str) -> str:
    """Say why an earlier result is of no use for an update; "" if it is."""
    from dataclasses import asdict

    from facecluster.store import settings_record

    if earlier is None:
        return "there is no earlier result in the folder"
    if earlier.settings.get("cluster") != json.loads(json.dumps(asdict(rules))):
        return "the earlier result was made with other options of clustering"
    now, then = settings_record(table.settings), earlier.settings
    if any(then.get(key) != now[key] for key in ("detector", "encoder", "options", "models")):
        return "the earlier result is of faces that were encoded otherwise"
    if earlier.settings.get("decisions", "") != decisions:
        return "something else was decided since the earlier result"
    return ""


def _earlier(directory: Path) -> Result | None:
    """Read the result that the folder holds; a damaged one of ours is set aside."""
    from facecluster.output.folders import ResultFolder
    from facecluster.output.lineage import check_ids
    from facecluster.output.records import read_result

    file = directory / CLUSTERS
    if not os.path.lexists(file):
        return None
    try:
        result = read_result(file)
        check_ids(result)
    except FaceclusterError as error:
        if ResultFolder(directory, ()).has(CLUSTERS):  # else it is not replaced anyway
            file.replace(file.with_name(DAMAGED))
            _log.warning("%s; it is kept as %s, and people get new ids", error, file.with_name(DAMAGED))
        return None
    return result


def _warn_of_other_decisions(earlier: Result, directory: Path) -> None:
    """Say that what was decided for the earlier result does not count any more."""
    if earlier.settings.get("decisions"):
        _log.warning(
            "%s: the earlier result kept to the decisions of %s, which are not there; give --decisions FILE",
            directory,
            earlier.settings.get("decisions_file") or "decisions.jsonl",
        )


def _seen_from(directory: Path, file: str) -> str:
    """A file's path relative to a folder where it lies in there, so that they may be moved together, else absolute."""
    path = Path(os.path.realpath(os.path.dirname(file)), os.path.basename(file))
    folder = os.path.realpath(directory)
    return os.path.relpath(path, folder) if path.is_relative_to(folder) else os.path.abspath(file)


def _same_path(a: Path, b: Path) -> bool:
    """Whether two paths are of one file, there or not."""
    return os.path.realpath(a) == os.path.realpath(b)


def _warn_of_namesakes(result: Result, directory: Path, pair: Namesakes) -> None:
    """Say that of two people who were given one name, one has lost it."""
    from facecluster.identity.decisions import shown

    first, second = result.people[pair.first].id, result.people[pair.second]
    lines = "".join(f"\n  {shown(decision)}" for decision in pair.decisions)
    where = shlex.quote(str(directory))
    _log.warning(
        "%s and %s were given one name, and only the latter has it:%s\n"
        "merge them, facecluster merge %s %s %s, or give %s another: facecluster name %s %s NAME",
        first, second.id, lines, where, first, second.id, first, where, first,
    )  # fmt: skip


def write_result(
    result: Result,
    directory: Path,
    *,
    sizes: Mapping[str, tuple[int, int]],
    link: Link,
    jobs: int = -1,
    progress: bool = False,
    changed: Collection[str] | None = None,
    forget: Collection[str] = (),
) -> None:
    """Write the folders of photos, the montages, and clusters.json.

    The record comes last: where this is cut short, the earlier one is still there, and the same again does all of it.

    Args:
        result: who is who.
        directory: gets them; made if it is not there. Only what facecluster put there is replaced or removed.
        sizes: width, height of photos at full size by path; 0, 0 where unknown, as for a path that is not in it.
            None of these photos is ever removed, nor one with a face in the result.
        link: how the folders hold photos; "none": there are no folders.
        jobs: threads; -1 is one a core.
        progress: show a bar on stderr where that is a terminal.
        changed: ids of the people whose montage is made anew; the others' stay where they are as we left them. None:
            all are made anew.
        forget: photos of whom no copy stays where the result has none, though the original may be gone.

    Raises:
        OutputError: the folder cannot be written, or holds files of the user's under names that are needed.
        FaceclusterError: the ids in the result are none.
    """
    from facecluster.output.lineage import check_ids
    from facecluster.output.records import to_json

    check_ids(result)
    threads = jobs if jobs > 0 else os.cpu_count() or 1
    folder = open_folder(result, directory, sizes)
    layout = lay_out(result, folder, link=link, changed=changed)
    if layout.evaded:
        whose = ("a file", "has it") if layout.evaded == 1 else ("files", "have theirs")
        _log.warning(
            "%s got another name, as %s of yours in %s %s",
            many(layout.evaded, "photo"), whose[0], directory, whose[1],
        )  # fmt: skip
    entries = folder.prepare(layout.files, layout.photos, link, keep=layout.kept, forget=forget)
    n_placed = folder.place(_track(entries, "photos", progress))
    if n_placed < len(layout.photos):
        n_gone = len(layout.photos) - n_placed
        are = "is" if n_gone == 1 else "are"
        _log.warning(
            "%s %s gone or cannot be read, and %s missing in the folders", many(n_gone, "photo"), are, are
        )
    n_without = 0
    for person, montage in _montages(_track(layout.remade, "montages", progress), sizes, threads):
        if montage is None:
            n_without += 1
        else:
            folder.write(montage_of(person.id), [montage])
    if n_without:
        _log.warning(
            "%s %s no montage, as none of their photos can be read",
            many(n_without, "person", "people"),
            "has" if n_without == 1 else "have",
        )
    folder.write(CLUSTERS, (piece.encode("ascii") for piece in to_json(result)))


def montage_of(person: str) -> str:
    """Name a person's montage, by id."""
    return f"{person}_montage.jpg"


@dataclass(frozen=True)
class Layout:
    """What of a result goes where in its folder.

    Attributes:
        photos: the original by path in the folder.
        evaded: how many of them got another name than their own, because of a file of the user's.
        remade: people whose montage is made.
        files: names of what is written.
        kept: names of what stays as it is until then.
    """

    photos: Mapping[str, str]
    evaded: int
    remade: tuple[Person, ...]
    files: tuple[str, ...]
    kept: frozenset[str]


def open_folder(result: Result, directory: Path, others: Iterable[str]) -> ResultFolder:
    """Open the folder of a result, in which neither its photos nor `others` are removed."""
    from facecluster.output.folders import ResultFolder

    placed = (face.photo for person in result.people for face in person.faces)
    return ResultFolder(directory, {*others, *placed, *(face.photo for face in result.unclustered)})


def lay_out(result: Result, folder: ResultFolder, *, link: Link, changed: Collection[str] | None) -> Layout:
    """Say what of a result goes where; see `write_result`."""
    from facecluster.output.folders import plan

    photos, evaded = plan(result, folder.foreign()) if link != "none" else ({}, 0)
    remade = tuple(
        person
        for person in result.people
        if changed is None or person.id in changed or not folder.has(montage_of(person.id))
    )
    files = (*(montage_of(person.id) for person in remade), CLUSTERS)
    kept = {CLUSTERS, *(montage_of(person.id) for person in result.people)} - set(files[:-1])
    return Layout(photos, evaded, remade, files, frozenset(kept))


def _montages(
    people: Iterable[Person], sizes: Mapping[str, tuple[int, int]], threads: int
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
    """Print the people on stdout: one a line, with names if somebody has one, or as clusters.json has them."""
    from facecluster.output.records import to_json

    if as_json:
        for piece in to_json(result):
            sys.stdout.write(piece)
        return
    rows = [("person", "faces", "photos", "name", "cover")]
    for person in result.people:
        name, cover = (
            os.fsencode(text).decode("utf-8", "backslashreplace")
            for text in (person.name or "-", person.faces[0].photo)
        )
        rows.append((person.id, str(person.n_faces), str(person.n_photos), name, cover))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    named = any(person.name is not None for person in result.people)
    for own, faces, photos, name, cover in rows if result.people else []:
        called = f"  {name:<{widths[3]}}" if named else ""
        click.echo(f"{own:<{widths[0]}}  {faces:>{widths[1]}}  {photos:>{widths[2]}}{called}  {cover}")


def summary(result: Result, directory: Path, options: ClusterOptions) -> str:
    """Say in a few lines what was found, what was left out and why, and where the pictures are."""
    counts = result.counts
    lines = [
        f"{many(counts.photos, 'photo')}: {counts.no_face} without a face, {counts.unreadable} unreadable",
        f"{many(counts.people, 'person', 'people')} with {counts.clustered} of {many(counts.faces, 'face')}",
    ]
    if counts.same_photo.photos:
        shared = counts.same_photo
        lines.append(
            f"{shared.twice} of {many(shared.photos, 'photo')} with several of them have one person twice"
        )
    if update := result.settings.get("update"):
        lines += _about_update(update)
    changes = {kind: len(those) for kind, those in vars(result.changes).items() if those}
    if changes:
        lines.append("since the earlier result: " + ", ".join(f"{n} {kind}" for kind, n in changes.items()))
    left = sorted(counts.unclustered.items(), key=lambda item: -item[1])
    if left:
        n_left = sum(counts.unclustered.values())
        lines.append(f"{many(n_left, 'face')} {'is' if n_left == 1 else 'are'} left out:")
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
            f"Nobody was found: no one is in {many(options.limits.min_images, 'photo', 'different photos')} with "
            "faces that are alike and good enough. "
            "See --min-images, --min-size, --max-angle, --min-quality, --no-gate, --eps."
        )
    what = CLUSTERS if options.link == "none" else f"{CLUSTERS}, folders of photos"
    lines.append(f"{directory}: {what}" + (", a montage of each person" if counts.people else ""))
    return "\n".join(lines)


def _about_update(update: Mapping[str, Any]) -> list[str]:
    """Say how the result differs from one of a full run."""
    several = f" in {update['updates']} updates" if update["updates"] > 1 else ""
    placed = f"an update: {many(update['new_faces'], 'new face')}{several} since all faces were clustered; "
    lines = [placed + "earlier people stay as they were. Without --update everybody is looked at again."]
    if pairs := update["would_merge"]:
        named = _some([f"{one} with {other}" for one, other in pairs], _N_ALMOST)
        lines.append(f"a full run would merge {named}")
    return lines


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
    there = f"{almost.n_photos} of {many(almost.n_photos_needed, 'photo')} ({_some(names, _N_PHOTOS)})"
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
