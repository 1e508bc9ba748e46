"""Photos into a library: encode them into its face table, then group the faces."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from facecluster.encoding.keep import Keep
from facecluster.encoding.pipeline import Encoded, encode_photos
from facecluster.library.build import Built, build
from facecluster.library.held import Held
from facecluster.library.layout import TABLE
from facecluster.library.settings import Choices, encoding_of, remembered_encoding, settings_in

_log = logging.getLogger(__name__)

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
    library.keep_to(decisions)
    chosen, earlier = dict(encoding or {}), None if defaults else settings_in(file)
    options = encoding_of(chosen, earlier)
    done = encode_photos(
        paths, options, output=file, jobs=jobs, fresh=fresh, remake=True, keep=keep, advance=advance
    )
    library.forget_table()
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
