"""What people decided about who is who, and what it means for the faces of a table or of a result.

A decision knows its faces by content and box (`Spot`), so that it holds for renamed photos, other settings, another
detector or encoder. For a person stand up to `TYPICAL` of its faces, its anchors: most of them say who it is, and some
may be gone or be with somebody else since. An anchor that a later decision takes elsewhere stands for that person no
more, as long as another one does; and of a face itself its last move, split or make speaks, but that one that is moved
to nobody stays away from all it was taken from.
"""

from __future__ import annotations

import hashlib
import os
import weakref
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from functools import wraps
from heapq import heappop, heappush
from itertools import chain
from operator import is_
from typing import NamedTuple, ParamSpec, TypeAlias, TypeVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from facecluster.identity.boxes import SAME_FACE_IOU, overlaps
from facecluster.identity.changes import Placed
from facecluster.table import Faces, Number, Whole
from facecluster.text import many, printable

_P = ParamSpec("_P")
_T = TypeVar("_T")

TYPICAL = 25
"""Faces by which a decision knows a person: the tiles of a montage, which is what somebody looked at."""

NOBODY = "nobody"
"""To whom faces are moved that are no known person's."""


Scene: TypeAlias = tuple[str, int, float | None]
"""What is seen at once: content of a photo, page, and seconds of a video in float32, as face tables have them."""


def scene_at(content: str, page: int = 0, time_s: float | None = None) -> Scene:
    """Give the scene at a place of a file, of a time in any precision."""
    return content, page, None if time_s is None else float(np.float32(time_s))


def scenes_of(faces: Faces | Placed) -> list[Scene]:
    """Give the scene of each face."""
    times = [None if time != time else time for time in faces.time_s.astype(np.float32).tolist()]
    ids = faces.id.tolist() if isinstance(faces.id, np.ndarray) else faces.id
    return [*zip(map(digest_of, ids), faces.page.tolist(), times, strict=True)]


class Spot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A face as a decision knows it.

    Attributes:
        digest: of the content of its photo, see `digest_of`.
        box: left, top, right, bottom in pixels of the upright photo: the face's `anchor`, see `table.Faces`.
        page: on which it is, from 0.
        time_s: seconds from the start of a video at which it is so; None outside videos.
    """

    digest: str
    box: tuple[Number, Number, Number, Number]
    page: Whole = 0
    time_s: Number | None = None

    @property
    def scene(self) -> Scene:
        """Where it was seen, with all that was seen at once."""
        return scene_at(self.digest, self.page, self.time_s)


Spots: TypeAlias = tuple[Spot, ...]


class Name(msgspec.Struct, frozen=True, gc=False, tag_field="do", tag="name"):
    """The person who holds most of `faces` has this name, or none; `person` was its id."""

    person: str
    name: str | None
    faces: Spots


class Merge(msgspec.Struct, frozen=True, gc=False, tag_field="do", tag="merge"):
    """These are one person: anchors of each of `people`, whose ids they had. The first one's name and id stay."""

    people: tuple[str, ...]
    faces: tuple[Spots, ...]


class Split(
    msgspec.Struct,
    frozen=True,
    gc=False,
    tag_field="do",
    tag="split",
    rename={"away": "from"},
    omit_defaults=True,
):
    """`faces` are one person, and not the one they were in, for whom the anchors `away` stand; `person` was its id.

    `into` is the id that they got; None in a file of an older facecluster.
    """

    person: str
    faces: Spots
    away: Spots
    into: str | None = None


class Make(
    msgspec.Struct,
    frozen=True,
    gc=False,
    tag_field="do",
    tag="make",
    rename={"away": "from"},
    omit_defaults=True,
):
    """`faces` are one person, who is new: of id `person`, and of this name, or of none.

    They are of none of those they were taken from, for whom the anchors `away` stand; () where they were nobody's.
    """

    person: str
    name: str | None
    faces: Spots
    away: Spots = ()


class Move(msgspec.Struct, frozen=True, gc=False, tag_field="do", tag="move", rename={"away": "from"}):
    """`faces` are of the person for whom the anchors `to` stand, or of nobody known, and not of the one of `away`.

    `person` was the id of the one they left, `into` of the other; None for nobody. Where both are one, somebody
    confirmed that `faces` are where they were; of these, those that found the person are among `to` as well.
    """

    person: str | None
    into: str | None
    faces: Spots
    to: Spots | None
    away: Spots

    @property
    def is_confirmed(self) -> bool:
        """Whether the faces were this person's already."""
        return self.into is not None and self.person == self.into


class NotAPerson(msgspec.Struct, frozen=True, gc=False, tag_field="do", tag="not-a-person"):
    """`faces` are no person's: each of them; or, if `person` is its id then, whoever holds most of them is none."""

    person: str | None
    faces: Spots


class Different(msgspec.Struct, frozen=True, gc=False, tag_field="do", tag="different"):
    """These two are not one person: anchors of each of `people`, whose ids they had; `NOBODY` for faces of nobody."""

    people: tuple[str, str]
    faces: tuple[Spots, Spots]


class Hide(msgspec.Struct, frozen=True, gc=False, tag_field="do", tag="hide"):
    """The person who holds most of `faces` is left out of lists, or is in them again; `person` was its id."""

    person: str
    hidden: bool
    faces: Spots


class Cover(msgspec.Struct, frozen=True, gc=False, tag_field="do", tag="cover"):
    """The face of `faces`, which are one, is the cover of whoever holds it; `person` was the id of who did."""

    person: str
    faces: Spots


class Unsure(msgspec.Struct, frozen=True, gc=False, tag_field="do", tag="unsure"):
    """Somebody could not say, asked the question of this id about these sides: it is not asked again."""

    question: str
    faces: tuple[Spots, ...]


class Said(msgspec.Struct, frozen=True, gc=False, tag_field="do", tag="said"):
    """Files of another program call `faces` so, and this could not be applied: it differs from who they are with."""

    name: str
    faces: Spots


class Draw(msgspec.Struct, frozen=True, gc=False, tag_field="do", tag="draw"):
    """There is a face at a place of a photo where no detector found one: `faces`. Whose it is, others say.

    `picture` is the digest of the pixels in which somebody drew the box `drawn` round it.
    """

    picture: str
    drawn: tuple[Number, Number, Number, Number]
    faces: Spots


class Undo(msgspec.Struct, frozen=True, gc=False, tag_field="do", tag="undo"):
    """The decision of this id does not count."""

    undo: str


Act: TypeAlias = (
    Name | Merge | Split | Make | Move | NotAPerson | Different | Hide | Cover | Unsure | Said | Draw | Undo
)


class SaidBy(msgspec.Struct, frozen=True, gc=False):
    """Whose words a decision repeats: of which program, and in which files they stand.

    Attributes:
        origin: see `formats.said_names.Origin`; several with commas between.
        files: absolute paths.
    """

    origin: str
    files: tuple[str, ...] = ()


class Decision(msgspec.Struct, frozen=True, gc=False):
    """A line of decisions.jsonl. There may be a million, so that none holds more than it must.

    Attributes:
        id: 8 hex digits, the start of the sha256 of the rest of the line.
        time: ISO 8601, UTC, of one width, so that text order is order in time.
        act: what was decided.
        file: path of it; "" for one that is not written yet.
        line: its number in the file, from 1; 0 for one that is not written yet.
        said_by: whose words it repeats; None: somebody decided it here, which counts more.
    """

    id: str
    time: str
    act: Act
    file: str = ""
    line: int = 0
    said_by: SaidBy | None = None

    @property
    def place(self) -> str:
        """File and line, for messages; "" for one that is not written yet."""
        return f"{self.file}:{self.line}" if self.file else ""


def digest_of(face_id: str) -> str:
    """Give the content's digest of a face's id: what stands before the last dash."""
    return face_id.rpartition("-")[0] or face_id


class _Asked(NamedTuple):
    """What a question was about. Faces are not kept alive by having been asked about."""

    decisions: tuple[Decision, ...]
    faces: weakref.ref[Faces | Placed] | None
    answer: object


def remembered(question: Callable[_P, _T]) -> Callable[_P, _T]:
    """Keep the last answer of a function of decisions, or of decisions and faces: callers leave it as it is.

    Whoever groups faces asks several things of the same decisions, of which there may be very many.
    """
    last: list[_Asked] = []

    @wraps(question)
    def ask(*about: _P.args, **options: _P.kwargs) -> _T:
        decisions = tuple(cast("Sequence[Decision]", about[0]))
        faces = cast("Faces | Placed", about[1]) if len(about) > 1 else None
        for asked in last:
            same = (asked.faces() if asked.faces is not None else None) is faces
            if same and len(asked.decisions) == len(decisions) and all(map(is_, asked.decisions, decisions)):
                return cast("_T", asked.answer)
        answer = question(*about, **options)
        last[:] = [_Asked(decisions, None if faces is None else weakref.ref(faces), answer)]
        return answer

    return ask


def undone(decisions: Sequence[Decision]) -> set[str]:
    """Give the ids of the decisions, in order of time, that an undo takes back which is not taken back itself."""
    ids = set[str]()
    for decision in reversed(decisions):
        if isinstance(decision.act, Undo) and decision.id not in ids:
            ids.add(decision.act.undo)
    return ids


@remembered
def in_force(decisions: Sequence[Decision]) -> list[Decision]:
    """Leave out what is undone, and the undoing.

    A decision that was made while a merge or a move counted that is undone since lists faces of both its sides as one
    person's. It speaks of the first side only, then: the faces of the others are left out of those by which it knows a
    person. Those that it is about itself stay.

    Args:
        decisions: in order of time.
    """
    gone, until = undone(decisions), _undone_at(decisions)
    joined = _Joined()
    standing = []
    for place, decision in enumerate(decisions):
        joined.end_before(place)
        if decision.id in gone:
            joined.begin(place, until[decision.id], _sides(decision.act))
        elif not isinstance(decision.act, Undo):
            act: Act = decision.act
            for sides in joined.about(act):
                act = _of_one_side(act, sides)
            standing.append(decision if act is decision.act else msgspec.structs.replace(decision, act=act))
    return standing


class _Joined:
    """What counted at a place among the decisions, made people one, and is undone since."""

    def __init__(self) -> None:
        self._sides: dict[int, tuple[Spots, ...]] = {}  # by place
        self._begun: dict[Spot, dict[int, None]] = {}  # places by spot
        self._ends: list[tuple[int, int]] = []  # heap of the last place of each and its own

    def begin(self, place: int, end: int, sides: tuple[Spots, ...]) -> None:
        """From here on, up to an end, these were one."""
        if not sides:
            return
        self._sides[place] = sides
        heappush(self._ends, (end, place))
        for spot in set(chain.from_iterable(sides)):
            self._begun.setdefault(spot, {})[place] = None

    def end_before(self, place: int) -> None:
        """Forget what had an end up to here."""
        while self._ends and self._ends[0][0] <= place:
            _, begun = heappop(self._ends)
            for spot in set(chain.from_iterable(self._sides.pop(begun))):
                del self._begun[spot][begun]

    def about(self, act: Act) -> list[tuple[Spots, ...]]:
        """Give the different sides of which an act lists faces, the last ones first: these joined most."""
        if not self._sides:
            return []
        places = {place for spot in spots_of(act) for place in self._begun.get(spot, ())}
        return list(dict.fromkeys(self._sides[place] for place in sorted(places, reverse=True)))


def _undone_at(decisions: Sequence[Decision]) -> dict[str, int]:
    """Give by id of a decision the place of the last one that takes it back, or takes this back, and so on."""
    root: dict[str, str] = {}
    last: dict[str, int] = {}
    for place, decision in enumerate(decisions):
        if isinstance(decision.act, Undo):
            root[decision.id] = root.get(decision.act.undo, decision.act.undo)
            last[decision.act.undo] = last[root[decision.id]] = place
    return last


def _sides(act: Act) -> tuple[Spots, ...]:
    """The faces of those whom an act makes one person, the one whose id stays first; () where it joins nobody."""
    match act:
        case Merge(faces=groups):
            return groups
        case Move(faces=faces, to=to) if to is not None and not act.is_confirmed:
            return to, faces
        case _:
            return ()


def _of_one_side(act: Act, sides: tuple[Spots, ...]) -> Act:
    """Know a person whose faces are of several sides by those of the first of them only.

    Faces of no side may have come to any of them since, and do not count either.
    """

    def one(spots: Spots) -> Spots:
        there = [side for side in map(set, sides) if not side.isdisjoint(spots)]
        return spots if len(there) < 2 else tuple(spot for spot in spots if spot in there[0])

    match act:
        case Name(faces=faces) | Hide(faces=faces):
            return msgspec.structs.replace(act, faces=one(faces))
        case Merge(faces=groups) | Different(faces=groups):
            return msgspec.structs.replace(act, faces=tuple(map(one, groups)))
        case Split(away=away) | Make(away=away):
            return msgspec.structs.replace(act, away=one(away))
        case Move(to=to, away=away):
            return msgspec.structs.replace(act, to=None if to is None else one(to), away=one(away))
        case NotAPerson(person=person, faces=faces) if person is not None:
            return msgspec.structs.replace(act, faces=one(faces))
        case _:
            return act


def mark(decisions: Sequence[Decision]) -> str:
    """Stand for the decisions in force that change people: 16 hex digits, "" where there are none.

    Results of equal marks were made with the same decisions.
    """
    ids = sorted(
        decision.id for decision in in_force(decisions) if not isinstance(decision.act, Unsure | Said)
    )
    return hashlib.sha256(" ".join(ids).encode()).hexdigest()[:16] if ids else ""


def holder_of(label: NDArray[np.integer], rows: Sequence[int]) -> int | None:
    """Find who holds most of these faces; None if it is nobody."""
    count = Counter(label[rows].tolist() if rows else [])
    if not count:
        return None
    holder = max(count, key=lambda number: (count[number], number >= 0, -number))
    return None if holder < 0 else int(holder)


def rows_at(found: Mapping[Spot, Sequence[int]], spots: Spots) -> list[int]:
    """Rows of faces, each once."""
    return list(dict.fromkeys(row for spot in spots for row in found[spot]))


_PAIRS = 2**18
"""Spots and faces of their photos that are compared at a time."""


class _Found(dict[Spot, list[int]]):
    """Rows by spot; none of those that are not there, of which nothing is kept."""

    def __missing__(self, spot: Spot) -> list[int]:
        return []


@remembered
def locate(decisions: Sequence[Decision], faces: Faces | Placed) -> Mapping[Spot, Sequence[int]]:
    """Find the face of each spot in every photo of its content: the anchor that overlaps most, if by enough.

    Only those on its page, or at its moment of a video, are looked at.
    """
    meant = {spot.digest for decision in decisions for spot in spots_of(decision.act)}
    rows_by_photo: dict[Scene, dict[object, list[int]]] = {}
    if meant:
        photos = faces.photo.tolist() if isinstance(faces.photo, np.ndarray) else faces.photo
        for row, (scene, photo) in enumerate(zip(scenes_of(faces), photos, strict=True)):
            if scene[0] in meant:
                rows_by_photo.setdefault(scene, defaultdict(list))[photo].append(row)
    meant_here = {digest for digest, _, _ in rows_by_photo}
    found, asked, n_pairs = _Found(), list[tuple[Spot, list[int]]](), 0
    for decision in decisions:
        for spot in spots_of(decision.act):
            if spot.digest not in meant_here or spot in found:
                continue
            found[spot] = []
            for rows in rows_by_photo.get(spot.scene, {}).values():
                asked.append((spot, rows))
                n_pairs += len(rows)
            if n_pairs >= _PAIRS:
                _find(asked, faces.anchor, found)
                asked, n_pairs = [], 0
    if asked:
        _find(asked, faces.anchor, found)
    return found


def with_tracks(found: Mapping[Spot, Sequence[int]], faces: Faces | Placed) -> Mapping[Spot, Sequence[int]]:
    """Give, for each spot, the rows of all faces of its track, rising; of faces outside videos the same as before."""
    track = faces.track.tolist()
    if max(track, default=-1) < 0:
        return found
    rows_of: dict[tuple[object, int], list[int]] = defaultdict(list)
    for row, key in enumerate(zip(faces.photo, track, strict=True)):
        if key[1] >= 0:
            rows_of[key].append(row)
    whole = _Found()
    for spot, rows in found.items():
        theirs = (rows_of[faces.photo[row], track[row]] if track[row] >= 0 else [row] for row in rows)
        whole[spot] = sorted(set(chain.from_iterable(theirs))) if spot.time_s is not None else [*rows]
    return whole


def _find(
    asked: Sequence[tuple[Spot, list[int]]],
    anchor: NDArray[np.floating],
    found: MutableMapping[Spot, list[int]],
) -> None:
    """Put in, for each spot and the rows of a photo, the row of its face, if it is there.

    Args:
        asked: spots, each with the rows of one photo, one or more.
        anchor: (n, 4) left, top, right, bottom of every face.
        found: rows by spot, which are added to.
    """
    count = np.array([len(rows) for _, rows in asked])
    start = np.cumsum(count) - count
    box = np.repeat(np.array([spot.box for spot, _ in asked], dtype=np.float64), count, axis=0)
    rows = np.fromiter(chain.from_iterable(rows for _, rows in asked), np.int64, int(count.sum()))
    iou = overlaps(box, anchor[rows])
    iou[np.repeat(count == 1, count) & (box == anchor[rows]).all(axis=1)] = 1  # a box may have no area
    most = np.maximum.reduceat(iou, start)
    likest = np.flatnonzero(iou == np.repeat(most, count))
    row = rows[likest[np.searchsorted(likest, start)]]  # of several the first
    for place in np.flatnonzero(most >= SAME_FACE_IOU).tolist():
        found[asked[place][0]].append(int(row[place]))


def spots_of(act: Act) -> Spots:
    """All faces that stand in an act."""
    match act:
        case (
            Name(faces=faces)
            | NotAPerson(faces=faces)
            | Hide(faces=faces)
            | Cover(faces=faces)
            | Draw(faces=faces)
            | Said(faces=faces)
        ):
            return faces
        case Merge(faces=groups) | Different(faces=groups) | Unsure(faces=groups):
            return tuple(spot for spots in groups for spot in spots)
        case Split(faces=faces, away=away) | Make(faces=faces, away=away):
            return faces + away
        case Move(faces=faces, to=to, away=away):
            return faces + (to or ()) + away
        case Undo():
            return ()


def describe(act: Act) -> str:
    """Put into a few words what was decided; ids are those of the time."""
    match act:
        case Name(person, given):
            return f"name {person} {'(none)' if given is None else printable(given)}"
        case Merge(people):
            return f"merge {' '.join(people)}"
        case Split(person, faces):
            return f"split {many(len(faces), 'face')} off {person}"
        case Make(person, given, faces):
            return f"make {person} {'(no name)' if given is None else printable(given)} of {many(len(faces), 'face')}"
        case Move(into=into, faces=faces):
            if act.is_confirmed:
                return f"confirm {many(len(faces), 'face')} of {into}"
            return f"move {many(len(faces), 'face')} to {into or NOBODY}"
        case NotAPerson(person, faces):
            return f"not-a-person {person or many(len(faces), 'face')}"
        case Different(people):
            return f"different {' '.join(people)}"
        case Hide(person, hidden):
            return f"{'hide' if hidden else 'unhide'} {person}"
        case Cover(person):
            return f"cover of {person}"
        case Unsure(faces=groups):
            return f"not sure of {many(sum(map(len, groups)), 'face')}"
        case Said(name, faces):
            return (
                f"said that {many(len(faces), 'face')} {'is' if len(faces) == 1 else 'are'} {printable(name)}"
            )
        case Draw(faces=faces):
            return f"draw {many(len(faces), 'face')}"
        case Undo(undone_id):
            return f"undo {undone_id}"


def shown(decision: Decision) -> str:
    """Give what was decided, when, its id, and where it stands."""
    if not decision.place:
        return f"this one: {describe(decision.act)}"
    return f"{decision.id}, {decision.time[:10]}: {describe(decision.act)} ({decision.place})"


def by_words(by: SaidBy) -> str:
    """Say whose words something is: "said by xmp (IMG_1.jpg.xmp and 11 more)"."""
    name, *more = [printable(os.path.basename(file)) for file in by.files] or [""]
    files = f"{name} and {len(more)} more" if more else name
    return f"said by {by.origin}" + (f" ({files})" if files else "")
