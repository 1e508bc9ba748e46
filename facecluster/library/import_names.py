"""Names that other programs gave, taken in: decisions that repeat what their files say, weaker than one's own.

`said` reads the files and finds the faces. What is said of faces becomes a name, a new person or a move where nobody
said otherwise here. Where names and faces disagree, nobody is changed: that becomes a `decisions.Said`, which the
review asks about and `audit --labels` lists. An import is one call, and is taken back as a whole.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facecluster.errors import UsageError
from facecluster.formats import decisions_jsonl, picasa_ini
from facecluster.formats.forgotten_jsonl import Place
from facecluster.formats.said_names import Box, Origin, SaidName
from facecluster.identity.assured import given as given_by
from facecluster.identity.changes import Placed
from facecluster.identity.decisions import (
    NOBODY,
    Act,
    Decision,
    Different,
    Make,
    Move,
    Name,
    NotAPerson,
    Said,
    SaidBy,
    Split,
    Spot,
    in_force,
    locate,
    mark,
    rows_at,
)
from facecluster.identity.gate import Reason
from facecluster.library import amend, correct, drawn_faces, ledger
from facecluster.library import said as other_files
from facecluster.library.change import Corrected, spots, typical
from facecluster.library.held import Held
from facecluster.library.refer import called, faces_of, with_tracks
from facecluster.library.sidecar import ENDING
from facecluster.result import Person, PersonFace, Result, UnclusteredFace, columns, person_id
from facecluster.table import UNREADABLE
from facecluster.text import fold, many, printable, some, typed

MOSTLY = 0.8
"""Share of the faces of a person that have to be called the same of those that are called anything: a face that is with
the wrong person, or called wrongly, keeps nobody from a name. Fewer than four of five are no such matter."""

SEVERAL = "its faces are called several names"
"""Why a person gets no name if none is that of most of the faces."""

_ROUNDS = 10
"""A name that is given may leave one face and one name in another photo, and so on; in practice two or three times."""

_N_NAMED = 6
"""People, or photos, that a sentence names."""

_Face = PersonFace | UnclusteredFace
_Acts = list[tuple[Act, SaidBy | None]]


@dataclass(frozen=True)
class Conflict:
    """Where names and faces disagree.

    Attributes:
        name: that files give to the faces.
        person: whose the faces are; None: nobody's.
        n_faces: how many.
        why: in a few words.
    """

    name: str
    person: Person | None
    n_faces: int
    why: str


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

    plan: _Plan
    drawn: drawn_faces.Found | None
    n_looked: int
    acts: _Acts
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
    forgotten = _forgotten(library)
    plan = _Plan.of(library.people, library.decisions, said, sizes, forgotten)
    troubles = [*said.troubles, *plan.no_names]
    drawn: drawn_faces.Found | None = None
    acts: _Acts = []
    places: list[drawn_faces.Place] = []
    if draw and plan.unmatched:
        places, regions = _places(library, plan, sizes, troubles)
    if places and not dry_run:
        drawn, refused = drawn_faces.find_all(library, places)
        troubles += refused
        plan = _Plan.of(drawn.correction[0], library.decisions, said, sizes, forgotten)
        acts += _drawn_by(drawn, regions)
    if plan.forgotten:
        named = [f"{printable(os.path.basename(path))} ({printable(name)})" for path, name in plan.forgotten]
        named = [*dict.fromkeys(named)]
        troubles.append(f"not taken in, as they were forgotten: {some(named, _N_NAMED)}")
    return _Asked(plan, drawn, len(places), acts + plan.acts(), troubles)


def _forgotten(library: Held) -> dict[str, list[Box] | None]:
    """Say where faces were that are forgotten, 0..1 of photos by path; None: all faces of a photo are."""
    by_photo: dict[str, list[Place]] = defaultdict(list)
    for place in library.places:
        for key in {place.photo, place.pixels} - {""}:
            by_photo[key].append(place)
    found: dict[str, list[Box] | None] = {}
    photos = library.table.photos
    for path, *keys in zip(photos.path.tolist(), photos.digest.tolist(), photos.pixels.tolist(), strict=True):
        there = [place for key in dict.fromkeys(keys) for place in by_photo.get(key, ())]
        if there:
            boxes = [_share(place.box, place.size) for place in there if place.box is not None]
            found[path] = boxes if len(boxes) == len(there) else None
    return found


def _share(box: Sequence[float], size: tuple[int, int]) -> Box:
    """Give a box in pixels as shares of the sides of its photo."""
    width, height = (max(side, 1) for side in size)
    return box[0] / width, box[1] / height, box[2] / width, box[3] / height


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


# ------------------------------------------------------------------------------------------------- what is planned


@dataclass
class _Word:
    """What files say of a face, or of several: a name, and where it stands.

    Attributes:
        name: as most of them spell it.
        strong: whether a region says so, and not only that somebody is in the photo.
        origins, files: whose words it is; each once.
    """

    name: str
    strong: bool = False
    origins: dict[str, None] = field(default_factory=dict)
    files: dict[str, None] = field(default_factory=dict)

    def add(self, one: SaidName) -> None:
        """Take in another one that says so."""
        self.strong = self.strong or one.box is not None
        self.origins[one.origin] = None
        self.files[one.file] = None


class _Plan:
    """What is to be decided, of people as they are.

    Attributes:
        words: by id of the face and folded name, what is said of it.
        named: new names, by id of the person.
        moved, made: ids of faces of nobody, by id of the person they go to; and by name of a person who is new.
        told: faces of conflicts, by name and id of the person ("" nobody).
        conflicts: see `Imported`.
        unmatched, unplaced: see `Imported`; without regions of `gone_names`.
        forgotten: paths of photos, and names there of who may be forgotten.
        gone_names: folded names of forgotten faces that nobody has. They get no new person, and no face is drawn.
        no_names: a line for each name that none can have here.
    """

    def __init__(self, result: Result, decisions: Sequence[Decision], faces: Placed) -> None:
        """Look at the people as they are; `of` plans."""
        self.result, self.decisions, self.faces = result, decisions, faces
        self.records: dict[str, _Face] = {face.id: face for face in faces_of(result)}
        self.owner = {face.id: number for number, person in enumerate(result.people) for face in person.faces}
        self.by_hand, self.apart = self._placed_by_hand()
        self.given = given_by(decisions, faces, faces.person)
        self.namesake = {fold(one.name): one for one in result.people if one.name is not None}
        self.no_names: dict[str, None] = {}
        self._checked: dict[str, str | None] = {}
        self._plan(other_files.Matched({}, (), ()))

    @classmethod
    def of(
        cls,
        result: Result,
        decisions: Sequence[Decision],
        said: other_files.Said,
        sizes: Mapping[str, tuple[int, int]],
        forgotten: Mapping[str, Sequence[Box] | None],
    ) -> _Plan:
        """Plan until no name that is given leaves another one that can be."""
        plan = cls(result, decisions, columns(result))
        before: list[str | None] | None = None
        for _ in range(_ROUNDS):
            known = plan.known()
            if known == before:
                break
            plan._plan(other_files.match(said, plan.faces, sizes, known, forgotten))
            before = known
        return plan

    def _placed_by_hand(self) -> tuple[set[str], set[tuple[str, str]]]:
        """Give the ids of faces that somebody put where they are; and of those of nobody who are not a person's."""
        standing = [one for one in in_force(self.decisions) if one.said_by is None]
        found = locate(standing, self.faces)
        by_hand, apart = set[str](), set[tuple[str, str]]()
        for decision in standing:
            match decision.act:
                case Split(faces=faces) | Make(faces=faces) | Move(faces=faces) | NotAPerson(None, faces):
                    by_hand.update(self.faces.id[row] for row in rows_at(found, faces))
                case Different(people=people, faces=groups) if NOBODY in people:
                    one, other = groups if people[0] == NOBODY else groups[::-1]
                    holders = {self.faces.id[row] for row in rows_at(found, other)}
                    whose = {self.result.people[self.owner[id_]].id for id_ in holders if id_ in self.owner}
                    apart.update((self.faces.id[row], own) for row in rows_at(found, one) for own in whose)
                case _:
                    pass
        return by_hand, apart

    def can_have(self, text: str) -> bool:
        """Say whether somebody can have this name here."""
        return self._checked_name(text) is not None

    def known(self) -> list[str | None]:
        """Give the names that faces have after this plan."""
        of_person = [self.named.get(person.id, person.name) for person in self.result.people]
        names: dict[str, str | None] = {id_: of_person[number] for id_, number in self.owner.items()}
        name_of = {person.id: of_person[number] for number, person in enumerate(self.result.people)}
        for own, ids in self.moved.items():
            names |= dict.fromkeys(ids, name_of[own])
        for name, ids in self.made.items():
            names |= dict.fromkeys(ids, name)
        return [names.get(id_) for id_ in self.faces.id]

    def _plan(self, matched: other_files.Matched) -> None:
        self.unmatched, self.unplaced = matched.unmatched, matched.unplaced
        self.forgotten = [(path, one.name) for path, one in matched.forgotten]
        self.gone_names = {fold(one.name) for _, one in matched.forgotten if one.box is not None}
        self.named: dict[str, str] = {}
        self.moved: dict[str, list[str]] = {}
        self.made: dict[str, list[str]] = {}
        self.told: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.conflicts: list[Conflict] = []
        words = self._words(matched.names)
        spelt = self._spelt(words)
        self.words = words
        by_owner: dict[int | None, list[str]] = defaultdict(list)
        for id_ in words:
            by_owner[self.owner.get(id_)].append(id_)
        wanted: dict[str, list[int]] = defaultdict(list)
        for number, person in enumerate(self.result.people):
            ids = by_owner.get(number, [])
            if not ids:
                continue
            name = self._name_of(number, ids)
            if name is not None and fold(person.name or "") != name:
                wanted[name].append(number)
            else:
                self._tell(person, [id_ for id_ in ids if id_ not in self.by_hand], fold(person.name or ""))
        for name, numbers in wanted.items():
            self._give(name, spelt[name], numbers, by_owner)
        self._place_free(by_owner.get(None, []), spelt)

    def _words(self, names: Mapping[int, tuple[SaidName, ...]]) -> dict[str, dict[str, _Word]]:
        """Gather what is said of each face, by folded name. A region counts more than a name without one."""
        words: dict[str, dict[str, _Word]] = {}
        for row, those in names.items():
            for one in those:
                name = self._checked_name(one.name)
                if name is not None:
                    here = words.setdefault(self.faces.id[row], {})
                    here.setdefault(fold(name), _Word(name)).add(one)
        for id_, here in words.items():
            if any(word.strong for word in here.values()):
                words[id_] = {name: word for name, word in here.items() if word.strong}
        return words

    def _checked_name(self, text: str) -> str | None:
        """Make a name one that somebody can have here; None: it is none, which is told."""
        if text not in self._checked:
            try:
                self._checked[text] = correct.checked_name(text)
            except UsageError as error:
                self._checked[text] = None
                self.no_names[str(error)] = None
        return self._checked[text]

    def _spelt(self, words: Mapping[str, Mapping[str, _Word]]) -> dict[str, str]:
        """Say how each folded name is written: as somebody here has it, else as most files have it."""
        count: dict[str, Counter[str]] = defaultdict(Counter)
        for here in words.values():
            for name, word in here.items():
                count[name][word.name] += 1
        return {
            name: (self.namesake[name].name or "") if name in self.namesake else those.most_common(1)[0][0]
            for name, those in count.items()
        }

    def _name_of(self, number: int, ids: Sequence[str]) -> str | None:
        """Say which folded name a person can get; None: the person has one of one's own, or it is not certain."""
        person = self.result.people[number]
        given = self.given.get(number)
        if given is not None and given.said_by is None:
            return None
        if given is None and person.name is not None:
            return None
        ids = [id_ for id_ in ids if id_ not in self.by_hand] or ids
        ids = [id_ for id_ in ids if any(word.strong for word in self.words[id_].values())] or ids
        count = Counter(name for id_ in ids for name in self.words[id_])
        most = [name for name, n in count.items() if n >= MOSTLY * len(ids)]
        return most[0] if len(most) == 1 else None

    def _give(
        self, name: str, spelt: str, numbers: Sequence[int], by_owner: Mapping[int | None, list[str]]
    ) -> None:
        """Give a name to the largest of those who may get it, if it is nobody else's."""
        people = self.result.people
        holder = self.namesake.get(name)
        winner = max(numbers, key=lambda number: people[number].n_faces) if holder is None else None
        for number in numbers:
            ids = by_owner[number]
            if number == winner:
                self.named[people[number].id] = spelt
                self._tell(people[number], [id_ for id_ in ids if id_ not in self.by_hand], name)
            else:
                self._tell(people[number], ids, fold(people[number].name or ""))

    def _tell(self, person: Person | None, ids: Iterable[str], but: str) -> None:
        """Note faces that are called otherwise than their person, whose folded name is `but`."""
        there: dict[str, list[str]] = defaultdict(list)
        for id_ in ids:
            for name in self.words[id_]:
                if name != but:
                    there[name].append(id_)
        for name, those in there.items():
            spelt = self.words[those[0]][name].name
            self.told[name, "" if person is None else person.id] += those
            self.conflicts.append(Conflict(spelt, person, len(those), self._why(name, person)))

    def _why(self, name: str, person: Person | None) -> str:
        """Say why a name is not given."""
        if person is None:
            return "a face is called several names"
        holder = self.namesake.get(name)
        if holder is not None and holder.id != person.id:
            return f"{called(holder)} has that name"
        getting = next((own for own, given in self.named.items() if fold(given) == name), person.id)
        if getting != person.id:
            return f"{getting} gets that name"
        if person.id in self.named:
            return f"most of its faces are called {printable(self.named[person.id])}"
        if person.name is not None:
            return "that is not its name here"
        given = next(
            (one for number, one in self.given.items() if self.result.people[number].id == person.id), None
        )
        return "its name was taken away here" if given is not None else SEVERAL

    def _place_free(self, ids: Sequence[str], spelt: Mapping[str, str]) -> None:
        """Give faces of nobody to whoever has their name, or make people of them."""
        names = ((one.id, self.named.get(one.id, one.name)) for one in self.result.people)
        holder = {fold(name): own for own, name in names if name is not None}
        self.gone_names -= holder.keys()
        self.forgotten += [
            (path, one.name) for path, one in self.unmatched if fold(one.name) in self.gone_names
        ]
        self.unmatched = tuple(pair for pair in self.unmatched if fold(pair[1].name) not in self.gone_names)
        for id_ in ids:
            face = self.records[id_]
            if id_ in self.by_hand or getattr(face, "reason", None) == Reason.NOT_A_PERSON.code:
                continue
            if len(self.words[id_]) > 1:
                self._tell(None, [id_], "")
                continue
            (name,) = self.words[id_]
            own = holder.get(name)
            if name in self.gone_names:
                self.forgotten.append((face.photo, spelt[name]))
            elif own is None:
                self.made.setdefault(spelt[name], []).append(id_)
            elif (id_, own) not in self.apart:
                self.moved.setdefault(own, []).append(id_)

    # -------------------------------------------------------------------------------------------- what comes of it

    def acts(self) -> _Acts:
        """Give what is to be decided, and whose words each is."""
        people = {person.id: person for person in self.result.people}
        acts: _Acts = []
        for own, name in self.named.items():
            ids = [face.id for face in people[own].faces]
            acts.append((Name(own, name, typical(people[own])), self._by(fold(name), ids)))
        for number, (name, ids) in enumerate(self.made.items()):
            act = Make(person_id(self.result.next_id + number), name, self._spots(ids))
            acts.append((act, self._by(fold(name), ids)))
        for own, ids in self.moved.items():
            name = self.named.get(own, people[own].name or "")
            acts.append(
                (Move(None, own, self._spots(ids), typical(people[own]), ()), self._by(fold(name), ids))
            )
        known = self._told_before()
        for (name, _), ids in self.told.items():
            new = tuple(spot for spot in self._spots(ids) if (name, spot) not in known)
            if new:
                acts.append((Said(self.words[ids[0]][name].name, new), self._by(name, ids)))
        return acts

    def correction(self) -> amend.Correction:
        """Give the people as they are then."""
        moved = {own: self._with_tracks(ids) for own, ids in self.moved.items()}
        made = [(name, self._with_tracks(ids)) for name, ids in self.made.items()]
        return amend.take_in(self.result, self.named, moved, made)

    def _with_tracks(self, ids: Iterable[str]) -> list[str]:
        return [face.id for face in with_tracks(self.result, (self.records[id_] for id_ in ids))]

    def _told_before(self) -> set[tuple[str, Spot]]:
        """Folded names and faces of conflicts that are told already."""
        acts = [one.act for one in in_force(self.decisions)]
        return {(fold(act.name), spot) for act in acts if isinstance(act, Said) for spot in act.faces}

    def _spots(self, ids: Iterable[str]) -> tuple[Spot, ...]:
        return spots(self.records[id_] for id_ in ids)

    def _by(self, name: str, ids: Iterable[str]) -> SaidBy:
        """Say whose words a name of some faces is."""
        words = [self.words[id_][name] for id_ in dict.fromkeys(ids) if name in self.words.get(id_, {})]
        origins = dict.fromkeys(origin for word in words for origin in word.origins)
        return SaidBy(",".join(origins), tuple(sorted({file for word in words for file in word.files})))


# --------------------------------------------------------------------------------------------- regions without a face


def _places(
    library: Held,
    plan: _Plan,
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


def _drawn_by(drawn: drawn_faces.Found, regions: Mapping[tuple[str, tuple[float, ...]], SaidName]) -> _Acts:
    """Give the acts of faces that are put in, and whose words say where they are."""
    acts: _Acts = []
    for act in drawn.acts:
        one = regions[act.faces[0].digest, act.drawn]
        acts.append((act, SaidBy(one.origin, (one.file,))))
    return acts


# -------------------------------------------------------------------------------------------------------- in words


def _summary(plan: _Plan, n_drawn: int) -> str:
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
        where = _listed(f"{one.name} in {os.path.basename(path)}" for path, one in plan.unplaced)
        told.append(f"{many(len(plan.unplaced), 'name')} that may be of several faces, or of none{where}")
    return ", ".join(told)


def _listed(texts: Iterable[str]) -> str:
    """Give names, or the first ones of many, in brackets."""
    return f" ({some([printable(text) for text in texts], _N_NAMED)})"
