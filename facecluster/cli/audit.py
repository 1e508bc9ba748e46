"""`facecluster audit`: faces and their labels in; what is filed wrong, out."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

import click

from facecluster.cli.labels import label_face_option
from facecluster.cli.parameters import FloatRange
from facecluster.cli.sources import (
    known_faces,
    read_table,
    refuse_table,
    spelling_of,
    table_option,
)
from facecluster.errors import FaceclusterError, UsageError
from facecluster.library.labels import (
    FOLDER,
    NAMES,
    label_faces,
    programs_of,
)
from facecluster.library.layout import is_result
from facecluster.library.read import read
from facecluster.text import fold, many, per_cent, printable, quoted, some

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    import numpy as np
    from numpy.typing import NDArray

    from facecluster.identity.boxes import Main
    from facecluster.joined import Who
    from facecluster.library.refer import Spelling
    from facecluster.render.audit import Audit, FiledFace, People
    from facecluster.table import Faces, Photos

    Disputed = dict[str, dict[str, list[str]]]
    Labelled = tuple[Faces, Photos, str, NDArray[np.int64], list[str], People | None, Disputed | None]

SOME_WRONG = 3
"""Exit code where something is filed wrong."""

THRESHOLD = 50.0
"""Confidence in per cent from which on two faces match: as many pairs at that distance are of one person as of two."""

MAX_RESULTS = 5

_N_FACES = 5
"""Faces of one verdict that the text names, and labels that a message does."""


@click.command("audit")
@click.argument("source", metavar="FILE|LIBRARY")
@click.option(
    "--labels",
    "labels_from",
    required=True,
    metavar="folder|CSV|PROGRAM,...|names",
    help="Where faces are filed: the folder that a photo lies in, a file or programs as evaluate takes it, or the "
    "names given to people of LIBRARY.",
)
@label_face_option
@click.option(
    "--database",
    "wanted",
    multiple=True,
    metavar="LABEL",
    help="Look at faces of this label only. May be given often.",
)
@click.option(
    "--cluster-threshold",
    type=FloatRange(0, 100, min_open=True),
    default=THRESHOLD,
    show_default=True,
    help="Confidence in per cent that every pair of faces of a group has at least.",
)
@click.option(
    "--max-results",
    type=click.IntRange(min=0),
    default=MAX_RESULTS,
    show_default=True,
    help="Best matches to tell of each face, at most.",
)
@click.option(
    "--output-threshold",
    type=FloatRange(0, 100),
    default=THRESHOLD,
    show_default=True,
    help="Confidence in per cent that a match has at least.",
)
@table_option
@click.option("-j", "--jobs", type=click.IntRange(min=1), help="Threads.  [default: one a core]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as a pipe gets it anyway.")
@click.option("-q", "--quiet", is_flag=True, help="No summary.")
@click.pass_context
def command(
    ctx: click.Context,
    source: str,
    labels_from: str,
    which: Main | None,
    wanted: Sequence[str],
    cluster_threshold: float,
    max_results: int,
    output_threshold: float,
    table_file: str | None,
    jobs: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Say which faces are filed under the wrong label.

    FILE is a face table (.npz, .pickle, or - for one on standard input), LIBRARY a folder that run made, or its
    clusters.json. Told are faces that look like another label, labels that are one person, and labels that are two;
    in JSON also the groups in which every pair of faces matches, and the faces of none; each face with its best
    matches. Of the names in a program's files, those that are at odds with the people of LIBRARY are told too: one
    person under two names, one name on two people; and faces that are called several things, by which files. Exit
    code 0: nothing is filed wrong; 3: something is.
    """
    from facecluster.render.audit import make_audit, to_json

    if quiet:
        logging.getLogger("facecluster").setLevel(logging.ERROR)
    faces, photos, encoder, label, texts, people, disputed = read_labelled(
        source, labels_from, which, table_file
    )
    if wanted:
        if disputed is not None:
            names = {fold(text) for text in wanted}
            disputed = {id_: said for id_, said in disputed.items() if not names.isdisjoint(map(fold, said))}
        label = restrict(label, texts, wanted)
    audit = make_audit(
        faces,
        photos,
        encoder,
        label,
        texts,
        people,
        disputed,
        cluster_threshold=cluster_threshold,
        output_threshold=output_threshold,
        max_results=max_results,
        jobs=jobs or -1,
    )
    if as_json or not sys.stdout.isatty():
        sys.stdout.writelines(to_json(audit))
    elif not audit.all_right:
        click.echo("\n".join(report(audit, spelling_of(source))))
    if not quiet:
        unlabelled = "without a label"
        if labels_from == NAMES:
            unlabelled = "of nobody with a name"
        elif labels_from == FOLDER and which != "all":
            unlabelled = (
                f"not the {which or 'largest'} face of their photo (--label-face all takes every face)"
            )
        click.echo(summary(audit, unlabelled, which or "largest"), err=True)
    if not audit.all_right:
        ctx.exit(SOME_WRONG)


# --------------------------------------------------------------------------------------------------- reading


def read_labelled(source: str, labels_from: str, which: Main | None, table_file: str | None) -> Labelled:
    """Read faces, the photos that they are in, their encoder, and the label of each, with the labels' texts.

    Where programs' files have the labels, the last is what of it is disputed, see `Labels`; and before, of a result,
    whose the faces are in that.

    The label is a number, or `output.audit.NO_LABEL`, or for the others in a photo whose folder is the label of a face
    that is gone, `LOST_LABEL`.

    Raises:
        FaceclusterError: something cannot be read, the options do not fit, or no face has a label.
    """
    import numpy as np

    from facecluster.identity.boxes import main_is_lost
    from facecluster.render.audit import LOST_LABEL, People

    if not is_result(source):
        if labels_from == NAMES:
            raise UsageError(
                f"{source}: a face table has no names; give --labels folder or a CSV, or a result"
            )
        refuse_table(source, table_file)
        table = read_table(source)
    else:
        if labels_from == NAMES and which is not None:
            raise UsageError("--label-face: names are given to faces, not to photos; leave it out")
        known, table = known_faces(read(source), source, table_file)
    if labels_from == NAMES:
        name_of = [person.name for person in known.result.people]
        texts = sorted({name for name in name_of if name is not None})
        if not texts:
            raise FaceclusterError(
                f"{source}: nobody has a name; give some with facecluster name, or --labels folder or a CSV"
            )
        number = {name: i for i, name in enumerate(texts)}
        of_person = [-1 if name is None else number[name] for name in name_of]
        return (
            known.faces,
            table.photos,
            table.settings.encoder,
            np.array([*of_person, -1], dtype=np.int64)[known.person],
            texts,
            None,
            None,
        )
    people = None
    if is_result(source) and programs_of(labels_from):
        faces = zip(known.faces.photo.tolist(), known.faces.id.tolist(), strict=True)
        person_of = dict(zip(faces, known.person.tolist(), strict=True))
        rows = zip(table.faces.photo.tolist(), table.faces.id.tolist(), strict=True)
        person = np.array([person_of.get(face, -1) for face in rows], dtype=np.int64)
        people = People(person, [known.who(place) for place in range(len(known.result.people))])
    label, texts, labels = label_faces(table, source, labels_from, which)
    if labels_from == FOLDER:
        bare = main_is_lost(table.photos.lost[table.faces.photo], which or "largest")
        label = np.where(bare & (label < 0), LOST_LABEL, label)
    disputed = labels.disputed if labels is not None and programs_of(labels_from) else None
    return table.faces, table.photos, table.settings.encoder, label, texts, people, disputed


def restrict(label: NDArray[np.int64], texts: Sequence[str], wanted: Sequence[str]) -> NDArray[np.int64]:
    """Mark the faces of all labels but some with `output.audit.OTHER_LABEL`.

    Args:
        label: (n,) number of the label of each face, -1 none.
        texts: of the labels, by number.
        wanted: texts of some; where there is none, case and how accents are written do not matter.

    Raises:
        UsageError: there is no such label.
    """
    import numpy as np

    from facecluster.render.audit import OTHER_LABEL

    numbers: list[int] = []
    for text in wanted:
        found = [i for i, name in enumerate(texts) if name == text]
        found = found or [i for i, name in enumerate(texts) if fold(name) == fold(text)]
        if not found:
            near = get_close_matches(text, texts, n=_N_FACES) or list(texts[:_N_FACES])
            raise UsageError(
                f"--database {printable(text)}: no such label; there are {', '.join(quoted(near))}"
                + (f", {len(texts) - len(near)} more" if len(texts) > len(near) else "")
            )
        numbers += found
    return np.where(np.isin(label, numbers) | (label < 0), label, OTHER_LABEL)


# --------------------------------------------------------------------------------------------------- telling


def report(audit: Audit, spelling: Spelling | None = None) -> Iterator[str]:
    """Write what is filed wrong as a text for people, line by line; `spelling` is of the result, if it is of one."""
    if audit.misfiled:
        yield "faces that look like another label"
    for wrong in audit.misfiled:
        number, others = wrong.n_faces
        own = "its only face" if wrong.own_distance is None else f"{wrong.own_distance:.2f} from the rest"
        yield (
            f"  {printable(wrong.label)} ({many(number, 'face')}; {own}) looks like {printable(wrong.looks_like)} "
            f"({many(others, 'face')}; {wrong.distance:.2f}, confidence {per_cent(wrong.confidence)}):"
        )
        yield from _faces(wrong.faces, spelling)
        yield f"{_face(wrong.beside, spelling)}  like this one"
    if audit.one_person:
        yield "labels that are one person"
    for one in audit.one_person:
        yield f"  {_counted(one.labels, one.n_faces)}: {one.distance:.2f} apart, confidence {per_cent(one.confidence)}"
        yield from _faces(one.faces, spelling)
    if audit.two_people:
        yield "labels that are two people"
    for two in audit.two_people:
        most, other = two.n_faces
        which = (
            f"{many(other, 'face')} beside {most}"
            if most > other
            else f"{most} and {other}, nobody can say which"
        )
        yield f"  {printable(two.label)}: {which}, {two.distance:.2f} apart, confidence {per_cent(two.confidence)}"
        yield from _faces(two.faces, spelling)
        yield f"{_face(two.beside, spelling)}  unlike this one"
    if audit.several_names:
        yield "people under two names"
    for person in audit.several_names or ():
        yield f"  {_whose(person.whose)}: {_counted(person.labels, person.n_faces)}"
        yield from _faces(person.faces, spelling)
    if audit.several_people:
        yield "names of two people"
    for name in audit.several_people or ():
        holders = (
            f"{_whose(whose)} ({many(n, 'face')})" for whose, n in zip(name.people, name.n_faces, strict=True)
        )
        yield f"  {printable(name.label)}: {' and '.join(holders)}"
        yield from _faces(name.faces, spelling)
    if audit.disputed:
        yield "faces that are called several things"
    for face in audit.disputed or ():
        yield _face(face.face, spelling)
        for label, files in zip(face.labels, face.said_in, strict=True):
            yield f"      {printable(label)}, by {some([printable(file) for file in files], _N_FACES)}"


def _counted(labels: Sequence[str], n_faces: Sequence[int]) -> str:
    """Name labels, each with its number of faces."""
    return " and ".join(
        f"{printable(label)} ({many(n, 'face')})" for label, n in zip(labels, n_faces, strict=True)
    )


def _whose(whose: Who) -> str:
    return whose.id if whose.name is None else f"{whose.id} {printable(whose.name)}"


def _faces(faces: Sequence[FiledFace], spelling: Spelling | None) -> Iterator[str]:
    yield from (_face(face, spelling) for face in faces[:_N_FACES])
    if len(faces) > _N_FACES:
        yield f"    ... and {len(faces) - _N_FACES} more"


def _face(face: FiledFace, spelling: Spelling | None) -> str:
    left, top, right, bottom = (round(side) for side in face.box)
    photo = printable(face.photo) if spelling is None else spelling.face(face)
    return f"    {photo}  [{left}, {top}, {right}, {bottom}]"


def summary(audit: Audit, unlabelled: str = "without a label", which: Main = "largest") -> str:
    """Say in two lines how much was compared, and what came of it.

    Args:
        audit: what was found.
        unlabelled: what faces without a label are.
        which: face of a photo carries its label.
    """
    told = {
        "no_label": unlabelled,
        "other_label": "of other labels",
        "lost_label": f"in photos whose {which} face is not in the table (any more)",
        "no_encoding": "without an encoding",
    }
    why = ", ".join(f"{number} {told[reason]}" for reason, number in audit.why_left_out.items())
    n_misfiled = sum(len(wrong.faces) for wrong in audit.misfiled)
    n_two = len({two.label for two in audit.two_people})
    mixed = sum(len(group.labels) > 1 for group in audit.groups)
    at_odds = ""
    if audit.several_names is not None and audit.several_people is not None:
        at_odds = (
            f"; {many(len(audit.several_names), 'person', 'people')} under two names; "
            f"{many(len(audit.several_people), 'name')} of two people"
        )
    if audit.disputed:
        at_odds += f"; {many(len(audit.disputed), 'face')} called several things"
    return (
        f"{many(audit.faces, 'face')} of {many(audit.labels, 'label')}, {audit.left_out} left out{why and f': {why}'}; "
        f"{many(len(audit.groups), 'group')} of two faces or more at a confidence of {audit.cluster_threshold:g} %, "
        f"{mixed} of several labels\n"
        f"{many(n_misfiled, 'face')} filed under another label; {many(len(audit.one_person), 'pair')} of labels that "
        f"are one person; {many(n_two, 'label')} that {'is' if n_two == 1 else 'are'} two people or more{at_odds}"
    )
