"""Names that other programs gave, taken in: decisions that repeat what their files say, weaker than one's own.

`said` reads the files and finds the faces. What is said of faces becomes a name, a new person or a move where nobody
said otherwise here. Where names and faces disagree, nobody is changed: that becomes a `decisions.Said`, which the
review asks about and `audit --labels` lists. An import is one call, and is taken back as a whole.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facecluster.errors import UsageError
from facecluster.formats import decisions_jsonl, picasa_ini
from facecluster.formats.said_names import Origin, SaidName
from facecluster.identity.decisions import (
    Decision,
    Said,
    SaidBy,
    mark,
)
from facecluster.library import drawn_faces, ledger
from facecluster.library import said as other_files
from facecluster.library.change import Corrected
from facecluster.library.held import Held
from facecluster.library.import_plan import Acts, Conflict, Plan
from facecluster.library.sidecar import ENDING
from facecluster.result import columns
from facecluster.table import UNREADABLE
from facecluster.text import fold, many, printable, quoted, some, typed

_N_NAMED = 6
"""People, or photos, that a sentence names."""


@dataclass(frozen=True)
class Imported:
    """What an import found, and did.

    Attributes:
        corrected: the decisions that were written, and a summary.
        planned: those that are there after it or, where nothing is to be written, would be.
        n_names: names that are of faces.
        n_faces: faces that have them.
        conflicts: where nothing was changed, also those that were told before.
        unmatched: regions with a name and without a face: path of the photo, and the name.
        unplaced: names without a region that may be of several faces or of none.
        troubles: a line for each file, or region, that could not be used.
    """

    corrected: Corrected
    planned: tuple[Decision, ...]
    n_names: int
    n_faces: int
    conflicts: tuple[Conflict, ...]
    unmatched: tuple[tuple[str, SaidName], ...]
    unplaced: tuple[tuple[str, SaidName], ...]
    troubles: tuple[str, ...]


def import_names(
    library: Held,
    photos: Sequence[str] = (),
    *,
    origins: Collection[Origin] = other_files.ORIGINS,
    draw: bool = False,
    dry_run: bool = False,
) -> Imported:
    """Take in the names that other programs gave.

    Args:
        library: it is about.
        photos: files and folders of its photos, `.picasa.ini` for those beside it, and JSON of osxphotos and Picasa's
            `contacts.xml`; without any photo, all photos of the library are meant.
        origins: whose files are read.
        draw: make faces of the regions that have none.
        dry_run: write nothing.

    Raises:
        UsageError: no photo of the library is meant.
        TableError: the library has no face table.
        FaceclusterError: a given file cannot be read, or the library cannot be written.
    """
    begun = [] if dry_run else _broken_off(library)
    for one in begun:
        library.decisions.remove(one)
    asked = _ask(library, photos, origins, draw=draw, dry_run=dry_run)
    if begun and [act for act, _ in asked.acts[: len(begun)]] != [one.act for one in begun]:
        library.decisions += begun
        begun = []
    if not begun and not dry_run and ledger.catch_up(library):
        asked = _ask(library, photos, origins, draw=draw, dry_run=False)
    plan, drawn = asked.plan, asked.drawn
    time = begun[0].time if begun else None
    others = decisions_jsonl.decide_all(asked.acts[len(begun) :], [*library.decisions, *begun], time)
    new = [*begun, *others]
    summary = _summary(plan, 0 if drawn is None else len(drawn.acts))
    if dry_run and asked.n_looked:
        summary += f", a face would be looked for in {many(asked.n_looked, 'region')}"
    if dry_run or not new:
        said = summary if new else f"{summary}; nothing was changed"
        corrected = Corrected(None, said, library.in_step)
    elif all(isinstance(one.act, Said) for one in new):  # they change nobody
        library.record(*new)
        corrected = Corrected(new[-1], summary, library.in_step, tuple(new[:-1]))
    else:
        grown = drawn.table if drawn is not None and drawn.acts else None
        corrected = ledger.put(
            library, new, plan.correction(), summary, grown, decided=begun, noted=new[-1].time
        )
    return Imported(
        corrected,
        tuple(new),
        len({name for words in plan.words.values() for name in words}),
        len(plan.words),
        tuple(plan.conflicts),
        tuple(plan.unmatched),
        tuple(plan.unplaced),
        tuple(asked.troubles),
    )


def _broken_off(library: Held) -> list[Decision]:
    """The decisions of an import of the last lines, if the people show all decisions but these."""
    others, begun = sorted(library.decisions, key=lambda one: one.line), list[Decision]()
    while others and others[-1].said_by is not None and (not begun or others[-1].time == begun[0].time):
        begun.insert(0, others.pop())
    if library.result is None or library.in_step or library.people.settings.decisions != mark(others):
        return []
    return begun


@dataclass(frozen=True)
class _Asked:
    """What an import means.

    Attributes:
        plan: what is to be decided.
        drawn: faces that were put in for it; None: none was asked for.
        n_looked: regions in which a face was looked for or, where nothing is to be written, would be.
        acts: all that is to be decided, and whose words it is.
        troubles: see `Imported`.
    """

    plan: Plan
    drawn: drawn_faces.Found | None
    n_looked: int
    acts: Acts
    troubles: list[str]


def _ask(
    library: Held, photos: Sequence[str], origins: Collection[Origin], *, draw: bool, dry_run: bool
) -> _Asked:
    """Read the files, and plan."""
    paths, given = _meant(library, photos)
    ours = other_files.tagged(library.directory, columns(library.people))
    said = other_files.read_said(paths, origins, given, ours)
    table = library.table.photos
    sizes = {
        path: (width, height)
        for path, (width, height) in zip(table.path.tolist(), table.size.tolist(), strict=True)
    }
    keys = zip(table.path.tolist(), table.digest.tolist(), table.pixels.tolist(), strict=True)
    forgotten = other_files.forgotten_in(library.places, keys)
    plan = Plan.of(library.people, library.decisions, said, sizes, forgotten)
    troubles = [*said.troubles, *plan.no_names]
    drawn: drawn_faces.Found | None = None
    acts: Acts = []
    places: list[drawn_faces.Place] = []
    if draw and plan.unmatched:
        places, regions = _places(library, plan, sizes, troubles)
    if places and not dry_run:
        drawn, refused = drawn_faces.find_all(library, places)
        troubles += refused
        plan = Plan.of(drawn.correction[0], library.decisions, said, sizes, forgotten)
        acts += _drawn_by(drawn, regions)
    if plan.forgotten:
        named = [f"{printable(os.path.basename(path))} ({printable(name)})" for path, name in plan.forgotten]
        named = [*dict.fromkeys(named)]
        troubles.append(f"not taken in, as they were forgotten: {some(named, _N_NAMED)}")
    return _Asked(plan, drawn, len(places), acts + plan.acts(), troubles)


def _meant(library: Held, given: Sequence[str]) -> tuple[list[str], list[Path]]:
    """Say which photos of the library are meant, and which further files are to be read."""
    there: list[str] = library.table.photos.path.tolist()
    files = [text for text in given if os.path.splitext(text)[1].lower() in (".json", ".xml")]
    if len(files) == len(given):
        return there, [*map(Path, files)]
    wanted = set[str]()
    for text in given:
        if text in files:
            continue
        path = os.path.abspath(text)
        if os.path.basename(path) in picasa_ini.FILES and os.path.isfile(path):
            path = os.path.dirname(path)  # it is about the photos beside it
        below = os.path.join(path, "")
        found = [photo for photo in there if photo == path or photo.startswith(below)]
        if not found:
            real = os.path.realpath(path)
            found = [photo for photo in there if _is_in(os.path.realpath(photo), real)]
        if not found and not os.path.lexists(path):
            raise UsageError(f"{printable(text)}: there is no such file, and no such photo in the library")
        if not found and path.lower().endswith(ENDING):
            raise UsageError(f"{printable(text)}: is read with its photo; give that, or its folder")
        if not found:
            raise UsageError(
                f"{printable(text)}: no photo of the library; to add it: facecluster run {typed(text)} -o "
                f"{typed(library.directory)}"
            )
        wanted.update(found)
    return [photo for photo in there if photo in wanted], [*map(Path, files)]


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(os.path.join(folder, ""))


# --------------------------------------------------------------------------------------------- regions without a face


def _places(
    library: Held,
    plan: Plan,
    sizes: Mapping[str, tuple[int, int]],
    troubles: list[str],
) -> tuple[list[drawn_faces.Place], dict[tuple[str, tuple[float, ...]], SaidName]]:
    """Say where faces are to be drawn, of copies of a photo once; and by id of the photo and box, whose words it is.

    Nobody gets a second face in a photo.
    """
    photos = library.table.photos
    row_of = {path: row for row, path in enumerate(photos.path.tolist())}
    known = zip(plan.faces.id, plan.known(), strict=True)
    there = {(id_.rpartition("-")[0], fold(name)) for id_, name in known if name is not None}
    places: dict[tuple[str, tuple[float, ...]], drawn_faces.Place] = {}
    regions: dict[tuple[str, tuple[float, ...]], SaidName] = {}
    for path, one in plan.unmatched:
        row = row_of[path]
        if one.box is None or photos.status[row] == UNREADABLE or not plan.can_have(one.name):
            continue
        width, height = sizes[path]
        box = one.box[0] * width, one.box[1] * height, one.box[2] * width, one.box[3] * height
        try:
            place = drawn_faces.place_at(library, row, box)
        except UsageError as error:
            troubles.append(f"{printable(path)}: {printable(one.name)}: {error}")
        else:
            where = str(photos.digest[row]), place.box
            if where in places:
                continue
            if (where[0], fold(one.name)) in there:
                troubles.append(f"{place.name}: {printable(one.name)} has another face there already")
                continue
            there.add((where[0], fold(one.name)))
            places[where], regions[where] = place, one
    return [*places.values()], regions


def _drawn_by(drawn: drawn_faces.Found, regions: Mapping[tuple[str, tuple[float, ...]], SaidName]) -> Acts:
    """Give the acts of faces that are put in, and whose words say where they are."""
    acts: Acts = []
    for act in drawn.acts:
        one = regions[act.faces[0].digest, act.drawn]
        acts.append((act, SaidBy(one.origin, (one.file,))))
    return acts


# -------------------------------------------------------------------------------------------------------- in words


def _summary(plan: Plan, n_drawn: int) -> str:
    """Say in a sentence what is found, and what comes of it."""
    names = {name for words in plan.words.values() for name in words}
    n_moved = sum(len(ids) for ids in plan.moved.values())
    n_new = sum(len(ids) for ids in plan.made.values())
    done = [
        f"{many(len(plan.named), 'person', 'people')} named{_listed(plan.named.values())}"
        if plan.named
        else "",
        f"{many(len(plan.made), 'new person', 'new people')} of {many(n_new, 'face')}{_listed(plan.made)}"
        if plan.made
        else "",
        f"{many(n_moved, 'face')} given to people" if n_moved else "",
        f"{many(n_drawn, 'face')} put in" if n_drawn else "",
    ]
    told = [
        f"{many(len(names), 'name')} on {many(len(plan.words), 'face')}",
        *filter(None, done),
        many(len(plan.conflicts), "conflict"),
        f"{many(len(plan.unmatched), 'region')} without a face",
    ]
    if plan.unplaced:
        photos = (printable(os.path.basename(path)) for path, _ in plan.unplaced)
        names_shown = quoted(one.name for _, one in plan.unplaced)
        where = [f"{name} in {photo}" for name, photo in zip(names_shown, photos, strict=True)]
        told.append(
            f"{many(len(plan.unplaced), 'name')} that may be of several faces, or of none ({some(where, _N_NAMED)})"
        )
    return ", ".join(told)


def _listed(names: Iterable[str]) -> str:
    """Give names, or the first ones of many, in brackets."""
    return f" ({some(quoted(names), _N_NAMED)})"
