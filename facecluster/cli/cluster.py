"""`facecluster cluster`: a face table in; people as records, folders of photos and montages out."""

from __future__ import annotations

import functools
import json
import logging
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from facecluster.cli.parameters import FloatRange, Folder
from facecluster.cli.results import write_result
from facecluster.cli.sources import warn_if_outdated
from facecluster.cli.summary import print_result, summary
from facecluster.errors import FaceclusterError, UsageError
from facecluster.identity.gate import Limits
from facecluster.output.places import CLUSTERS

if TYPE_CHECKING:  # NumPy and OpenCV are loaded when there is work to do
    from facecluster.identity.decisions import Namesakes
    from facecluster.identity.rules import Rules, SamePhoto
    from facecluster.output.folders import Link
    from facecluster.output.records import Result
    from facecluster.table import FaceTable

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

DAMAGED = "clusters.damaged.json"
"""What becomes of a record that cannot be read."""
_LINKS = ("copy", "hardlink", "symlink", "none")


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
    type=Folder(),
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
