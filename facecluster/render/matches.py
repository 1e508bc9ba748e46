"""Who faces are like as records: what search prints, and the galleries that it searches."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import TableError
from facecluster.identity.groups import Groups
from facecluster.identity.points import Points
from facecluster.identity.rules import Reach, Rules
from facecluster.identity.search import BATCH, Targets, confidence, find_nearest, nearest_of
from facecluster.identity.split import split_by_distance
from facecluster.joined import Known
from facecluster.photos.moment import FIRST, Moment, at, told
from facecluster.result import Box, plain
from facecluster.table import Faces, FaceTable

By = Literal["face", "person"]
"""What a search finds: single faces, or people with all their faces."""

_SPARE = 8
"""Candidates beyond those asked for: a person of many faces is accepted a little further away than one of few, so the
nearest need not be the first who is accepted."""


@dataclass(frozen=True)
class Somebody:
    """Who faces of a gallery belong to.

    Attributes:
        person: id in the result; None of a label.
        name: of the person, None where it has none; or the label.
    """

    person: str | None
    name: str | None


@dataclass(frozen=True, eq=False)
class Gallery:
    """Faces to search, and whose they are.

    Attributes:
        table: n faces.
        points: the faces as distances see them.
        people: whose faces they are.
        owner: (n,) int32 place in `people`, -1 nobody's.
        counts: (n,) bool, whether the distance to a person looks at this one of its faces.
        part: (n,) int32, of looks of a person that are too far apart for a mean over all of them, which one this is;
            the nearest part counts. 0 everywhere where there is one.
        reach: how near is near enough.
    """

    table: FaceTable
    points: Points
    people: tuple[Somebody, ...]
    owner: NDArray[np.int32]
    counts: NDArray[np.bool_]
    part: NDArray[np.int32]
    reach: Reach

    @classmethod
    def of_table(
        cls, table: FaceTable, label: NDArray[np.int64] | None = None, texts: Sequence[str] = ()
    ) -> Gallery:
        """Take the faces of a table.

        Args:
            table: n faces.
            label: (n,) place of each one's label in `texts`, -1 none; None: there are no labels.
            texts: the labels.

        Raises:
            TableError: an encoder nobody knows.
        """
        owner = np.full(len(table.faces), -1) if label is None else label
        reach = Rules.make(table.settings.encoder).radii.reach(len(table.faces))
        people = tuple(Somebody(None, text) for text in texts)
        one = np.zeros(len(owner), dtype=np.int32)
        points = Points.of(table.faces.encoding, table.settings.encoder)
        return cls(table, points, people, owner.astype(np.int32), _known(table.faces), one, reach)

    @classmethod
    def of_result(cls, known: Known, table: FaceTable, *, named: bool = False) -> Gallery:
        """Take the people of a result, as their founding faces show them: all their faces where they have none.

        Args:
            known: the result.
            table: that it was made from; faces that the result does not know are left out.
            named: faces of people without a name are nobody's.

        Somebody may have put together people whom clustering would not, and a child is as far from itself over the
        years as two people are: these are searched part by part.
        """
        people = [Somebody(person.id, person.name) for person in known.result.people]
        owner = known.person.astype(np.int32)
        has_founding = np.isin(np.arange(len(people) + 1), owner[known.core])
        has_founding[-1] = True  # of those with nobody, at -1
        counts = _known(known.faces) & (known.core | ~has_founding[owner])
        if named:
            owner[[person >= 0 and people[person].name is None for person in owner.tolist()]] = -1
        ids = known.faces.id
        order = np.lexsort((ids, np.char.str_len(ids), known.faces.photo))  # as they were in the table
        reach = known.bounds.reach
        owner, counts = owner[order], counts[order]
        whole, points = replace(table, faces=_take(known.faces, order)), known.points[order]
        merged = np.array([bool(person.former) for person in known.result.people] + [False])
        merged[known.place[known.people.spread() > reach.radius]] = True
        rows, part = np.flatnonzero(counts & merged[owner]), np.zeros(len(owner), dtype=np.int32)
        part[rows] = split_by_distance(points[rows], owner[rows], reach)
        return cls(whole, points, tuple(people), owner, counts, part, reach)

    def __len__(self) -> int:
        return len(self.owner)

    def without(self, face_id: str) -> Gallery:
        """Leave a face out, with its copies in copies of its photo."""
        kept = np.flatnonzero(self.table.faces.id != face_id)
        table = replace(self.table, faces=_take(self.table.faces, kept))
        return replace(
            self,
            table=table,
            points=self.points[kept],
            owner=self.owner[kept],
            counts=self.counts[kept],
            part=self.part[kept],
        )

    def within(self, n: int) -> float:
        """Give the distance at which a face belongs to a person of n faces, or is one person's with a single one."""
        return float(self.reach.joining(float(n)))

    @cached_property
    def faces(self) -> Targets:
        """All of them, one by one."""
        return Targets.of_faces(self.points)

    @cached_property
    def _order(self) -> NDArray[np.intp]:
        """Rows of the faces that count, person after person, part after part."""
        rows = np.flatnonzero(self.counts & (self.owner >= 0))
        return rows[np.lexsort((self.part[rows], self.owner[rows]))]

    @cached_property
    def _starts(self) -> NDArray[np.intp]:
        """(p + 1,) where in `_order` the faces of each group begin, and where the last one's end."""
        owner, part = self.owner[self._order], self.part[self._order]
        first = (np.diff(owner, prepend=-1) > 0) | (np.diff(part, prepend=0) != 0)
        starts: NDArray[np.intp] = np.append(np.flatnonzero(first), len(owner))
        return starts

    def members(self, number: int) -> NDArray[np.intp]:
        """Rows of the faces that count of one of `groups`."""
        start, end = self._starts[number : number + 2].tolist()
        return self._order[start:end]

    @cached_property
    def groups(self) -> Targets:
        """The faces that count of each person who has some, in the order of `people`, of each part by itself."""
        label = np.full(len(self), -1, dtype=np.int32)
        label[self._order] = np.repeat(np.arange(len(self._starts) - 1), np.diff(self._starts))
        return Targets.of_groups(Groups.of(self.points, label))

    @cached_property
    def n_people(self) -> int:
        """How many people have faces that count."""
        return len(np.unique(self.owner[self._order]))

    @cached_property
    def most_parts(self) -> int:
        """Of how many groups a person is at most."""
        owner = self.owner[self._order[self._starts[:-1]]]
        return max(1, int(np.bincount(owner, minlength=1).max()))


def _take(faces: Faces, rows: NDArray[np.intp]) -> Faces:
    return Faces(**{name: column[rows] for name, column in vars(faces).items()})


def _known(faces: Faces) -> NDArray[np.bool_]:
    """(n,) whether all numbers of the encoding are known."""
    return np.asarray(np.isfinite(faces.encoding).all(axis=1))


# ---------------------------------------------------------------------------------------------------- records


@dataclass(frozen=True)
class FoundFace:
    """A face of the gallery, and how far it is from the one that is looked for."""

    id: str
    photo: str
    box: Box
    distance: float
    moment: Moment = FIRST


@dataclass(frozen=True)
class Match:
    """A face or person of the gallery that is like the one that is looked for.

    Attributes:
        person, name: see `Somebody`; both None for a face of nobody.
        n_faces: that were looked at; 1 in a search for faces. Of somebody who was put together of people who do not
            look alike, those of the nearest one.
        distance: to the face; to a person, root mean square over these faces.
        within: at which distance it is accepted.
        confidence: per cent, 0..100, see `identity.search.CALIBRATION`.
        face: the nearest of these faces.
    """

    person: str | None
    name: str | None
    n_faces: int
    distance: float
    within: float
    confidence: float
    face: FoundFace


@dataclass(frozen=True)
class Query:
    """A face that was looked for, or a photo that shows none.

    Attributes:
        photo: path.
        status, reason: of the photo, as in `table.Photos`.
        face: 1 for the first face of its photo, in the order of the table; None where there is none.
        id, box, moment: of the face; None, and `FIRST`, where there is none.
        matches: those that are accepted, nearest first.
        nearest: where nobody is, the nearest one; None where there is nobody to compare with, or the face has no
            encoding.
    """

    photo: str
    status: str
    reason: str
    face: int | None
    id: str | None
    box: Box | None
    matches: tuple[Match, ...] = ()
    nearest: Match | None = None
    moment: Moment = FIRST


Answer: TypeAlias = tuple[tuple[Match, ...], Match | None]
"""`Query.matches` and `Query.nearest`."""


def search_tables(
    gallery: Gallery,
    queries: Iterable[tuple[FaceTable, NDArray[np.bool_]]],
    by: By,
    *,
    k: int,
    min_score: float | None = None,
    jobs: int | None = -1,
) -> Generator[Query, None, None]:
    """Look for the faces of tables, many at a time; a record for each, and for each photo without one, in order.

    Args:
        gallery: where.
        queries: tables of faces that were encoded as the gallery's, see `check_encoders`; and of each, (n,) which
            faces are looked for.
        by: whether faces are wanted, or people.
        k: as many matches at most.
        min_score: confidence that is enough, per cent, 0..100; None: what counts is the distance, `Match.within`.
        jobs: threads; -1 all cores.
    """
    waiting: list[tuple[FaceTable, NDArray[np.bool_]]] = []

    def answer() -> Iterator[Query]:
        encoding = np.concatenate([table.faces.encoding[wanted] for table, wanted in waiting])
        answers = search(gallery, encoding, by, k=k, min_score=min_score, jobs=jobs)
        for table, wanted in waiting:
            yield from _queries(table, wanted, answers)
        waiting.clear()

    for query in queries:
        waiting.append(query)
        if sum(int(np.count_nonzero(wanted)) for _, wanted in waiting) >= BATCH or len(waiting) >= BATCH:
            yield from answer()
    if waiting:
        yield from answer()


def _queries(table: FaceTable, wanted: NDArray[np.bool_], answers: Iterator[Answer]) -> Iterator[Query]:
    """Put answers to the faces that they are of, and photos without a face between them."""
    faces, photos = table.faces, table.photos
    bounds = np.searchsorted(faces.photo, np.arange(len(photos) + 1)).tolist()
    for i, (start, stop) in enumerate(pairwise(bounds)):
        about = str(photos.path[i]), str(photos.status[i]), str(photos.reason[i])
        if start == stop:
            yield Query(*about, None, None, None)
        for row in (start + np.flatnonzero(wanted[start:stop])).tolist():
            box = Box(*plain(faces.box[row]))
            moment = at(int(faces.page[row]), plain(faces.time_s[row : row + 1])[0])
            yield Query(*about, row - start + 1, str(faces.id[row]), box, *next(answers), moment)


def search(
    gallery: Gallery,
    encoding: NDArray[np.float32],
    by: By,
    *,
    k: int,
    min_score: float | None = None,
    jobs: int | None = -1,
) -> Iterator[Answer]:
    """Look for (q, 128) encodings; the other arguments are those of `search_tables`.

    Returns:
        Of each, what `Query.matches` and `Query.nearest` are.
    """
    targets = gallery.groups if by == "person" else gallery.faces
    number = min((k + _SPARE) * gallery.most_parts if by == "person" else k, max(len(targets), 1))
    for start in range(0, len(encoding), BATCH):
        batch = Points.of(encoding[start : start + BATCH], gallery.table.settings.encoder)
        nearest = find_nearest(batch, targets, number, jobs=jobs)
        scores = confidence(nearest.distance, gallery.table.settings.encoder, nearest.crowding)
        for asked, *columns in zip(
            range(len(batch)), nearest.row.tolist(), nearest.distance.tolist(), scores.tolist(), strict=True
        ):
            candidates = [_Candidate(gallery, by, *of) for of in zip(*columns, strict=True) if of[0] >= 0]
            accepted = [candidate for candidate in candidates if candidate.accepted(min_score)]
            if by == "person":
                accepted = _nearest_parts(accepted)
            nobody = candidates[0].match(batch, asked) if candidates and not accepted else None
            yield tuple(candidate.match(batch, asked) for candidate in accepted[:k]), nobody


def _nearest_parts(candidates: Iterable[_Candidate]) -> list[_Candidate]:
    """Leave the first of each person."""
    of: dict[int, _Candidate] = {}
    for candidate in candidates:
        of.setdefault(candidate.owner, candidate)
    return list(of.values())


@dataclass(frozen=True)
class _Candidate:
    """A target that is near: the row of a face, or the number of a group."""

    gallery: Gallery
    by: By
    target: int
    distance: float
    confidence: float

    @property
    def members(self) -> NDArray[np.intp]:
        return self.gallery.members(self.target) if self.by == "person" else np.array([self.target])

    @property
    def owner(self) -> int:
        return int(self.gallery.owner[self.members[0]])

    def accepted(self, min_score: float | None) -> bool:
        if min_score is not None:
            return self.confidence >= min_score
        return self.distance <= self.gallery.within(len(self.members))

    def match(self, batch: Points, asked: int) -> Match:
        """Make a record of it, for one of the faces that are looked for."""
        gallery, members = self.gallery, self.members
        faces, photos = gallery.table.faces, gallery.table.photos
        row, apart = nearest_of(batch, asked, gallery.points, members)
        owner = int(gallery.owner[row])
        who = gallery.people[owner] if owner >= 0 else Somebody(None, None)
        photo = str(photos.path[faces.photo[row]])
        return Match(
            who.person,
            who.name,
            len(members),
            self.distance,
            gallery.within(len(members)),
            self.confidence,
            FoundFace(
                str(faces.id[row]),
                photo,
                Box(*plain(faces.box[row])),
                apart,
                at(int(faces.page[row]), plain(faces.time_s[row : row + 1])[0]),
            ),
        )


def check_encoders(gallery: FaceTable, query: FaceTable) -> None:
    """Make sure that faces of two tables can be compared.

    Raises:
        TableError: they were encoded by different networks.
    """
    one, other = gallery.settings, query.settings
    if one.encoder != other.encoder:
        raise TableError(
            f"encoded by {other.encoder!r}, the faces that are searched by {one.encoder!r}; distances between the two "
            "mean nothing: run encode again with one encoder"
        )
    known = one.models.keys() & other.models.keys()
    differing = sorted(
        name for name in known if name.startswith(one.encoder) and one.models[name] != other.models[name]
    )
    if differing:
        raise TableError(
            f"encoded with other weights of {', '.join(differing)} than the faces that are searched; run encode again"
        )


def to_json(query: Query) -> str:
    """Write a line of JSON, ASCII; unknown is null."""
    record = told(query) | {"reason": query.reason or None}
    return json.dumps(record, default=told, allow_nan=False) + "\n"


# -------------------------------------------------------------------------------------------------------- names


@dataclass(frozen=True)
class Entry:
    """Who is in a gallery: see `Somebody`, and how many faces there are, in how many photos.

    `hidden` is whether lists leave the person out.
    """

    person: str | None
    name: str | None
    n_faces: int
    n_photos: int
    hidden: bool = False


def entries(people: Sequence[Somebody], owner: NDArray[np.int32], photo: NDArray[np.int32]) -> list[Entry]:
    """Count the faces of everyone, in the order of `people`.

    Args:
        people: all of them.
        owner: (n,) place of each face's, -1 nobody's.
        photo: (n,) number of each face's photo.
    """
    theirs = owner >= 0
    pairs = np.unique(np.stack([owner[theirs], photo[theirs]]), axis=1)
    n_faces = np.bincount(owner[theirs], minlength=len(people)).tolist()
    n_photos = np.bincount(pairs[0], minlength=len(people)).tolist()
    return [
        Entry(who.person, who.name, faces, photos)
        for who, faces, photos in zip(people, n_faces, n_photos, strict=True)
    ]
