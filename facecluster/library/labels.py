"""Labels of faces: which label each face of a table or a result has, by folders, a file, or what other programs say."""

from __future__ import annotations

import logging
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from facecluster.errors import FaceclusterError, UsageError
from facecluster.formats.labels_csv import Labels, read_labels
from facecluster.formats.said_names import Origin
from facecluster.text import fold, many, printable

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    import numpy as np
    from numpy.typing import NDArray

    from facecluster.identity.boxes import Main
    from facecluster.identity.changes import Placed
    from facecluster.table import FaceTable

_log = logging.getLogger(__name__)

FOLDER = "folder"

NAMES = "names"
"""Labels that are the names somebody gave to people."""

ORIGINS: tuple[Origin, ...] = get_args(Origin)
"""Labels that are what the files of a program call faces; several have commas between."""

PROGRAMS = "programs"
"""Labels that are what the files of any of these programs call faces."""

_CHOICES = f"{FOLDER}, some of {', '.join(ORIGINS)}, {PROGRAMS} for all of these, or a CSV file"

MAIN = ("largest", "central", "only", "all")


@dataclass(frozen=True)
class Programs:
    """Labels that are what the files of programs call faces.

    Attributes:
        origins: whose files.
        given: JSON of osxphotos and Picasa's `contacts.xml`, read beside those of the photos.
    """

    origins: tuple[Origin, ...]
    given: tuple[Path, ...] = ()

    def __str__(self) -> str:
        """Name them as they are given."""
        return ",".join([*self.origins, *(printable(str(file)) for file in self.given)])


_GIVEN: dict[str, Origin] = {".json": "osxphotos", ".xml": "picasa"}
"""Which program's files can be given, by their ending."""


def programs_of(labels_from: str) -> Programs | None:
    """Say which programs' files have the labels that are named; None where they are folders or a CSV file.

    Raises:
        UsageError: some of several are no programs.
    """
    is_file = "," in labels_from and os.path.exists(labels_from)
    named = [labels_from] if is_file else [text.strip() for text in labels_from.split(",")]
    given = [text for text in named if os.path.splitext(text)[1].lower() in _GIVEN]
    whose = [*named, *(_GIVEN[os.path.splitext(text)[1].lower()] for text in given)]
    found = tuple(origin for origin in ORIGINS if origin in whose or PROGRAMS in named)
    others = [text for text in named if text not in (*ORIGINS, PROGRAMS, *given)]
    if found and others:
        raise UsageError(
            f"{printable(others[0])}: no program whose files are read; give some of {', '.join(ORIGINS)}"
        )
    return Programs(found, tuple(Path(text).expanduser() for text in given)) if found else None


def find_labels(labels_from: str, which: Main | None) -> Labels | Programs | None:
    """Read the labels that are named.

    Args:
        labels_from: `FOLDER`, some of `ORIGINS` or `PROGRAMS`, with or without files of theirs, or a CSV file.
        which: face of a photo carries its label; None: the usual one.

    Returns:
        None: they are folders. Programs: they are in and beside the photos, see `labels_of`.

    Raises:
        FaceclusterError: there is no such file or program, or it says itself which faces its labels are of.
    """
    if labels_from == FOLDER:
        return None
    if not labels_from:
        raise UsageError(f"an empty name of labels; give {_CHOICES}")
    programs = programs_of(labels_from)
    if programs is None and not os.path.lexists(labels_from):
        raise UsageError(f"{printable(labels_from)}: no such labels, and no such file; give {_CHOICES}")
    labels = programs or read_labels(Path(labels_from))
    if which is not None and (not isinstance(labels, Labels) or labels.kind != "photo"):
        raise UsageError(
            f"{labels_from}: says itself which faces its labels are of, and not the {which} of a photo; leave it out"
        )
    return labels


def labels_of(
    labels: Labels | Programs | None,
    faces: Placed,
    size: NDArray[np.int32] | None,
    folders: Iterable[Path] = (),
) -> Labels | None:
    """Read what the files of other programs call faces, where labels are that; other labels are given back.

    Names that are one without regard to case (`text.fold`) are one label, spelt as most have it.
    A face that is called two things (its photo has copies, or several files) is disputed. That is told, and so are
    names that may be of several faces, and each file that could not be read.

    Args:
        labels: as `find_labels` gives them.
        faces: n faces.
        size: (n, 2) width and height in pixels of each face's photo; None: nobody knows.
        folders: of the people of these faces. What `facecluster tag` wrote for a folder is no label of its faces.

    Returns:
        Labels of faces; "" is the id of a face that is not found, and the photo is then what says it, see `shown`.

    Raises:
        FaceclusterError: nobody knows the sizes, or a file that is given cannot be read.
    """
    from facecluster.library.said import match, read_said, tagged_by

    if labels is None or isinstance(labels, Labels):
        return labels
    programs = str(labels)
    if size is None:
        raise FaceclusterError(
            f"--labels {programs}: a result does not say how large its photos are; give their face table with -e"
        )
    sizes = {path: (wide, tall) for path, (wide, tall) in zip(faces.photo, size.tolist(), strict=True)}
    said = read_said(list(sizes), labels.origins, labels.given, tagged_by(folders, faces))
    for trouble in said.troubles:
        _log.warning("%s", trouble)
    matched = match(said, faces, sizes)
    called: dict[str, dict[str, list[str]]] = {}
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for row, names in sorted(matched.names.items()):
        for one in names:
            files = called.setdefault(faces.id[row], {}).setdefault(fold(one.name), [])
            if one.file not in files:
                files.append(one.file)
            spellings[fold(one.name)][one.name] += 1
    spelt = {name: those.most_common(1)[0][0] for name, those in spellings.items()}
    several = [face for face, names in called.items() if len(names) > 1]
    if several:
        first = " and ".join(printable(spelt[name]) for name in called[several[0]])
        _log.warning(
            "%s: %s called two things, and left out, the first %s",
            programs,
            many(len(several), "face"),
            first,
        )
    rows = [
        (face, spelt[name], files[0])
        for face, names in called.items()
        if len(names) == 1
        for name, files in names.items()
    ]
    free = {photo for row, photo in enumerate(faces.photo) if row not in matched.names}
    if unsure := [(photo, one.name) for photo, one in matched.unplaced if photo in free]:
        photo, name = unsure[0]
        _log.warning(
            "%s: %s without a place in photos with several faces or names, and left out, the first %s: %s",
            programs, many(len(unsure), "name"), printable(photo), printable(name),
        )  # fmt: skip
    lacking = (*matched.unmatched, *(said for said in matched.unplaced if said[0] not in free))
    rows += [("", one.name, photo) for photo, one in lacking]
    ids, texts, where = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    disputed = {face: {spelt[name]: files for name, files in called[face].items()} for face in several}
    return Labels("face", ids, texts, where, disputed=disputed)


def folders_of(source: str) -> list[Path]:
    """Give the folder that a file of faces lies in, or that is given itself; none of standard input."""
    path = Path(source)
    return [] if source == "-" else [path if path.is_dir() else path.parent]


def shown(labels: Labels, row: int) -> str:
    """Name a row of labels: what says it, and what it is of, or the name where nobody knows that."""
    return f"{printable(labels.where[row])}: {printable(labels.names[row] or labels.labels[row])}"


def attach(
    labels: Labels | None,
    faces: Placed,
    which: Main,
    size: NDArray[np.int32] | None = None,
    lost: NDArray[np.uint8] | None = None,
) -> tuple[NDArray[np.int64], list[str], list[int]]:
    """Say which label each face has.

    Args:
        labels: see `Labels`; None: the name of the folder that its photo lies in.
        faces: n faces.
        which: of a photo carries its label.
        size: (n, 2) of each face's photo, for "central".
        lost: (n,) `table.Photos.lost` of each face's photo; None: see `suspected`. Where the face of the label is lost,
            nobody else gets it.

    Returns:
        (n,) number of each face's label, -1 none; the labels' texts, sorted; and the rows of `labels` that no face
        is found for.
    """
    import numpy as np

    from facecluster.identity.boxes import main_faces, match_boxes

    number: dict[str, int] = {}
    photo = np.array([number.setdefault(path, len(number)) for path in faces.photo], dtype=np.int64)
    text: dict[int, str] = {}
    unused: list[int] = []
    if labels is not None and labels.kind == "box":
        of_row = np.array([number.get(name, -1) for name in labels.names], dtype=np.int64)
        boxes = np.array(labels.boxes, dtype=np.float64).reshape(-1, 4)
        in_first = (faces.page == 0) & (faces.track < 0)  # boxes are in the first page
        rows, found = match_boxes(of_row, boxes, np.where(in_first, photo, -2), faces.box)
        text = {face: labels.labels[row] for row, face in zip(rows.tolist(), found.tolist(), strict=True)}
        unused = np.setdiff1d(np.arange(len(of_row)), rows).tolist()
    elif labels is not None and labels.kind == "face":
        row_of = {name: row for row, name in enumerate(labels.names)}
        text = {i: labels.labels[row_of[face]] for i, face in enumerate(faces.id) if face in row_of}
        there = set(faces.id)
        unused = [row for row, name in enumerate(labels.names) if name not in there]
    else:
        lost = suspected(faces) if lost is None else lost
        main = np.flatnonzero(main_faces(photo, faces.box, which, size, lost)).tolist()
        if labels is None:
            text = {i: os.path.basename(os.path.dirname(faces.photo[i])) for i in main}
        else:
            label_of = dict(zip(labels.names, labels.labels, strict=True))
            text = {i: label_of[path] for i in main if (path := os.path.normpath(faces.photo[i])) in label_of}
            there = {os.path.normpath(faces.photo[i]) for i in main}
            unused = [row for row, name in enumerate(labels.names) if name not in there]
    texts = sorted(set(text.values()))
    code = {name: i for i, name in enumerate(texts)}
    label = np.full(len(faces), -1, dtype=np.int64)
    label[list(text)] = [code[name] for name in text.values()]
    return label, texts, unused


def attach_to(
    table: FaceTable,
    labels: Labels | Programs | None,
    which: Main | None,
    folders: Iterable[Path] = (),
) -> tuple[NDArray[np.int64], list[str], Labels | None, list[int]]:
    """Say which label each face of a table has, as `attach` does, and before what is unused, of which labels.

    `folders`: see `labels_of`.
    """
    import numpy as np

    from facecluster.identity.changes import Placed

    photo, n = table.faces.photo, len(table.faces)
    faces = Placed(
        id=table.faces.id.tolist(),
        photo=table.photos.path[photo].tolist(),
        box=table.faces.box.astype(np.float64),
        anchor=table.faces.anchor.astype(np.float64),
        page=table.faces.page.astype(np.int64),
        time_s=table.faces.time_s.astype(np.float64),
        track=table.faces.track.astype(np.int64),
        person=np.full(n, -1),
        confidence=np.full(n, np.nan),
    )
    size = table.photos.size[photo]
    labels = labels_of(labels, faces, size, folders)
    label, texts, unused = attach(labels, faces, which or "largest", size, table.photos.lost[photo])
    return label, texts, labels, unused


def label_faces(
    table: FaceTable, source: str, labels_from: str, which: Main | None
) -> tuple[NDArray[np.int64], list[str], Labels | None]:
    """Say which label each face of a table has, -1 none, and what the labels are, see `attach`; and where they stand.

    Raises:
        FaceclusterError: the labels cannot be read, or are of other faces.
    """
    label, texts, labels, unused = attach_to(
        table, find_labels(labels_from, which), which, folders_of(source)
    )
    photo = table.faces.photo
    why = bare_photos(table.photos.path[photo].tolist(), table.photos.lost[photo], labels, which)
    if len(photo) and not texts and not (labels is not None and labels.disputed):
        raise FaceclusterError(
            f"{labels_from}: none of its labels is of a face of {source}{why and f': {why}'}"
        )
    if why:
        _log.warning("%s: %s", source, why)
    if labels is not None and unused:
        _log.warning(
            "%s: no face for %d of %s, the first in %s",
            labels_from, len(unused), many(len(labels.names), "label"), shown(labels, unused[0]),
        )  # fmt: skip
    return label, texts, labels


def suspected(faces: Placed) -> NDArray[np.uint8]:
    """Say what `table.Photos.lost` may be of the photos of n faces, (n,): all where their ids have gaps, else none."""
    import numpy as np

    from facecluster.table import LOST, LOST_CENTRAL, LOST_LARGEST, gaps

    number: dict[str, int] = {}
    photo = np.array([number.setdefault(path, len(number)) for path in faces.photo], dtype=np.int64)
    missing = gaps(photo, faces.id, len(number))[photo]
    return np.where(missing, LOST | LOST_LARGEST | LOST_CENTRAL, 0).astype(np.uint8)


def bare_photos(
    photo: Sequence[str], lost: NDArray[np.uint8], labels: Labels | None, which: Main | None
) -> str:
    """Say which photos' faces have no label because the main one is lost; "" where that is so of none.

    Args:
        photo: paths, of n faces.
        lost: (n,) `table.Photos.lost` of these.
        labels: None: of folders.
        which: see `attach`.
    """
    from itertools import compress

    from facecluster.identity.boxes import main_is_lost

    if labels is not None and labels.kind != "photo":
        return ""
    bare = sorted(set(compress(photo, main_is_lost(lost, which or "largest").tolist())))
    if not bare:
        return ""
    whose = "the main face of 1 photo is" if len(bare) == 1 else f"the main faces of {len(bare)} photos are"
    where = printable(bare[0]) + (" ..." if len(bare) > 1 else "")
    return f"{whose} not in the table (any more), and nobody else there gets the label: {where}"
