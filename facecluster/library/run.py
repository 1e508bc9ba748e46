"""Photos into a library: encode them into its face table, then group the faces."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from facecluster.durable.own_files import ResultFolder
from facecluster.encoding.drawn import Drawn
from facecluster.encoding.keep import Keep
from facecluster.encoding.pipeline import Encoded, encode_photos
from facecluster.formats.decisions_jsonl import DECISIONS
from facecluster.formats.forgotten_jsonl import list_of
from facecluster.library.build import Built, build
from facecluster.library.held import Held
from facecluster.library.layout import CLUSTERS, NOBODY_SHEET, TABLE
from facecluster.library.settings import Choices, encoding_of, remembered_encoding, settings_in
from facecluster.text import many, printable, some

_log = logging.getLogger(__name__)

_N_NAMED = 3
"""Files that a message names."""

_AS_BEFORE = Choices()
_USUAL = Keep()


@dataclass(frozen=True, eq=False)
class Ran:
    """What a run did: see `pipeline.Encoded` and `build.Built`."""

    encoded: Encoded
    built: Built


def run(
    library: Held,
    paths: Sequence[str],
    *,
    sources: Sequence[str] = (),
    encoding: Mapping[str, Any] | None = None,
    choices: Choices = _AS_BEFORE,
    defaults: bool = False,
    decisions: Path | None = None,
    update: bool = False,
    fresh: bool = False,
    keep: Keep = _USUAL,
    agree: Callable[[Built], bool] = lambda built: True,
    jobs: int = -1,
    progress: bool = False,
    encoded: Callable[[], object] = lambda: None,
    advance: Callable[[], object] = lambda: None,
) -> Ran:
    """Find the faces in photos, and say who is who among all faces of the library.

    Args:
        library: gets the photos and the people.
        paths: absolute paths of photos.
        sources: absolute paths that were searched for them, to be remembered.
        encoding: fields of `options.EncodeOptions` that are chosen; what is not is as the library's face table was
            made. Where that makes a difference, all photos are encoded again.
        choices: about clustering, see `build`.
        defaults: what is not chosen is the default, about encoding, clustering and the folders.
        decisions: see `build`.
        update: see `build`.
        agree: see `build`; the face table is written by then, the people are not.
        jobs: processes and threads; -1 is one a core.
        progress: see `build`.
        fresh: encode all photos again.
        keep: which photos of the library stay that are not among these.
        encoded: called when all photos are encoded.
        advance: called once for each photo that is done.

    Raises:
        FaceclusterError: as `encode_photos` and `build` raise it.
    """
    file = library.directory / TABLE
    paths = _without_own(paths, library.directory)
    library.keep_to(decisions)
    chosen, earlier = dict(encoding or {}), None if defaults else settings_in(file)
    options = encoding_of(chosen, earlier)
    done = encode_photos(
        paths,
        options,
        output=file,
        jobs=jobs,
        fresh=fresh,
        remake=True,
        keep=keep,
        drawn=Drawn.of(library.decisions),
        advance=advance,
    )
    library.forget_table()
    library.seen = frozenset(done.table.photos.path[done.asked].tolist())
    encoded()
    built = build(
        library,
        done.table,
        choices,
        source=os.path.abspath(file),
        decisions=decisions,
        sources=sources,
        update=update,
        defaults=defaults,
        agree=agree,
        jobs=jobs,
        progress=progress,
    )
    remembered = remembered_encoding(chosen, earlier) | built.chosen.remembered
    return Ran(done, replace(built, chosen=replace(built.chosen, remembered=remembered)))


def _without_own(paths: Sequence[str], directory: Path) -> Sequence[str]:
    """Leave out the files of the library itself, as a pattern of a shell gives them, and say so."""
    root = os.path.realpath(directory)
    inside = [path for path in paths if os.path.realpath(os.path.dirname(path)) == root]
    if not inside:
        return paths
    folder = ResultFolder(directory, (), scope={os.path.basename(path) for path in inside})
    kept = (CLUSTERS, TABLE, DECISIONS, list_of(directory / TABLE).name, NOBODY_SHEET)
    own = [path for path in inside if folder.has(name := os.path.basename(path)) or name in kept]
    if own:
        _log.warning(
            "%s of the library itself %s no photos, and left out: %s",
            many(len(own), "file"), "is" if len(own) == 1 else "are", some([*map(printable, own)], _N_NAMED),
        )  # fmt: skip
    left_out = set(own)
    return [path for path in paths if path not in left_out]
