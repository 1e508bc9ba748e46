"""Two faces in one photo are two people, mostly: what that says against taking two groups of faces for one person.

A photo is a page here, where a file has several. A video is one photo, in which two tracks are two people where they
are there at once; this no likeness outweighs.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facecluster.identity import doubles
from facecluster.identity.boxes import SAME_FACE_IOU, overlaps
from facecluster.identity.doubles import Doubles
from facecluster.identity.evidence import SAME_SHOT
from facecluster.identity.groups import Groups, sortable
from facecluster.identity.neighbours import UnionFind, squared_distances
from facecluster.identity.points import Points, local_limit
from facecluster.identity.rules import Reach, Rules, SamePhotoRule
from facecluster.identity.tracks import at_once
from facecluster.table import FaceTable, number_scenes

TWICE = 0.02
"""Share of the photos of a person that may show that person twice without its being strange: mirrors, collages,
photos on the wall. Set by hand; of the people of the fit half of `lfw_dev` none is twice in a photo."""

WEIGHT = 0.5
"""What one photo with both says against two groups, of which one has no other photo: as much as this part of the
squared joining radius. So two faces of one photo are one person's up to 0.71 of that radius only, where two thirds of
the pairs of photos of one person are, and one in 1.5 million of two people's (sface, fit half of `lfw_dev`)."""

ALIKE = 0.57
"""Two faces of one photo nearer than this part of the joining radius are the same face, in a mirror or in a photo of
a photo. Of pairs of photos of one person, taken at different times, one in seven is as near (sface, fit half)."""

COLLAGE = 3
"""Faces of one photo within eps of each other that are tiles of a collage, a contact sheet, a strip of a booth; if they
are half of the faces, the others are, too."""

GROUPS = 3
"""Photos from which on the mean over a group says more than that two faces are `ALIKE`: twins are, too."""


SEVERAL = 2
"""People who are each twice in a photo that is put together of several."""

CROWD = 2048
"""Faces of a photo of which each is compared with each. With more, and no two of them forbidden to be one person's, a
photo says nothing of who is who: it is put together of several, and what says otherwise grows with their square."""

_PAIRS = 2**16
"""Pairs of boxes that are compared at a time."""

_KEPT = 2**26
"""Bytes of comparisons of photos that are kept for the next question, at most, beside those of the last photo."""


class Rivals:
    """Which faces of one photo are of two people."""

    def __init__(self, table: FaceTable, points: Points, rules: Rules) -> None:
        self._faces = faces = table.faces
        self.in_video = faces.track >= 0
        """(n,) which faces are of videos."""
        self.points = points
        """(n) the faces as distances see them."""
        self._box, self._rules = faces.box, rules
        self.same_shot = SAME_SHOT * rules.radii.join
        """Euclidean distance within which two faces may be of one shot."""
        digest = table.photos.digest
        content = np.unique(sortable(digest), return_inverse=True)[1].reshape(-1)
        unknown = np.flatnonzero(digest == "")
        content[unknown] = len(digest) + unknown
        number = number_scenes(content[faces.photo], faces.page, np.zeros(len(faces)))
        self.photo: NDArray[np.intp] = number.astype(np.intp)
        """(n,) number of the photo of each face; copies of a photo are one, pages are several, a video is one."""
        self._order = np.argsort(self.photo, kind="stable")
        self._start = (
            np.r_[0, np.cumsum(np.bincount(self.photo))] if len(faces) else np.zeros(1, dtype=np.intp)
        )
        size = np.diff(self._start)
        of_video = np.zeros(len(size), dtype=np.bool_)
        of_video[self.photo[self.in_video]] = True
        compared = (size > 1) & ((size <= CROWD) | of_video | (rules.same_photo == "forbid"))
        self.in_company = compared[self.photo]
        """(n,) whether there are others in the photo of a face, and no `CROWD` but where the rules forbid one."""
        largest = int(size[size <= CROWD].max(initial=1))
        self._among = lru_cache(maxsize=min(256, max(1, _KEPT // (3 * largest**2))))(self._compare)
        self._excused: set[int] = set()
        self._side = np.full(len(faces), -1, dtype=np.int64)  # of a cut: 2i and 2i + 1 are two people
        self._n_cuts = 0

    def excuse(self, photo: int) -> None:
        """Say that a photo is put together of several: its faces may be one person's if that is not forbidden."""
        self._excused.add(photo)

    def compose(self, label: NDArray[np.int32]) -> bool:
        """Find the photos that are put together of several (pages of an album, contact sheets), and excuse them.

        Args:
            label: (n,) group of each face that is alike but for its photo, -1 none.

        Somebody who is twice in photos and is one person by `doubles.tell` says so of these photos. So do `SEVERAL`
        groups that are each twice in a photo, and are half of its faces that have a group, if none of them is two
        people by `doubles.tell`. One pair alone says nothing: twins are one. Two people who are surely two by
        `doubles.tell` are so in these photos too, although others are there twice.

        Two pairs of twins who are in the same photos stay four people where `doubles.tell` can see that they are: in
        photos enough, and not more alike than it can tell. In a single photo nothing tells them from a page.

        Returns:
            Whether any was found that was not excused before. None is, but where the rules prefer that nobody is twice.
        """
        if self._rules.same_photo != "prefer":
            return False
        n_excused = len(self._excused)
        pairs = self._pairs_by_group(label)
        order = np.argsort(label, kind="stable")
        start = np.searchsorted(
            label[order], np.array([*pairs, *(group + 1 for group in pairs)], dtype=np.int32)
        )
        twice: dict[int, list[int]] = {}
        for (group, found), low, high in zip(pairs.items(), start, start[len(pairs) :], strict=False):
            rows = order[low:high]
            half, verdict = doubles.tell(
                self.points.encoding[rows], np.searchsorted(rows, found), self.same_shot
            )
            photos = self.photo[found[:, 0]].tolist()
            self._side[rows] = np.where(verdict == Doubles.SURELY_TWO, 2 * self._n_cuts + half, -1)
            self._n_cuts += 1
            if verdict == Doubles.ONE:
                self._excused.update(photos)
            elif verdict == Doubles.TOO_FEW:
                for photo in photos:
                    twice.setdefault(photo, []).append(group)
        for photo, groups in twice.items():
            here = label[self.rows(photo)]
            if len(groups) >= SEVERAL and 2 * np.count_nonzero(np.isin(here, groups)) >= np.count_nonzero(
                here >= 0
            ):
                self._excused.add(photo)
        return len(self._excused) > n_excused

    def _pairs_by_group(self, label: NDArray[np.int32]) -> dict[int, NDArray[np.intp]]:
        """Find the photos that show a group twice, as two people would be -> by group (k, 2) rows, of each photo two.

        Of more faces of a group in a photo it is the two that are least alike.
        """
        rows = np.flatnonzero((label >= 0) & self.in_company)
        rows = rows[np.lexsort((self.photo[rows], label[rows]))]
        starts = np.flatnonzero(np.diff(self.photo[rows], prepend=-1) | np.diff(label[rows], prepend=-1))
        sizes = np.diff(starts, append=len(rows))
        pairs: dict[int, list[NDArray[np.intp]]] = {}
        for start, size in zip(starts[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
            own = rows[start : start + size]
            two = self.two_people(own, own, groups=True)
            if two.any():
                x = self.points[own]
                squared = np.where(two, squared_distances(x, x), -1)
                pair = own[np.array(np.unravel_index(int(squared.argmax()), squared.shape))]
                pairs.setdefault(int(label[own[0]]), []).append(pair)
        return {group: np.array(found) for group, found in pairs.items()}

    def rows(self, photo: int) -> NDArray[np.intp]:
        """All faces of a photo."""
        return self._order[self._start[photo] : self._start[photo + 1]]

    def two_people(
        self, one: NDArray[np.intp], other: NDArray[np.intp], *, groups: bool = False, excuse: bool = True
    ) -> NDArray[np.bool_]:
        """Say which of (j,) and (k,) faces of one photo are of two people, but for what else is known -> (j, k).

        Not the same face found twice. None, if the rules allow any. If they forbid it, all others. Else, and for
        `groups` of several photos that are looked at as a whole in any case: none in a `COLLAGE`; in a photo that is
        excused, unless `excuse` is False, only those who are surely two (see `compose`); and, but for groups, not two
        that are `ALIKE`. In a `CROWD`, none but if the rules forbid it. In a video all tracks that are there at once.
        """
        photo = int(self.photo[one[0]])
        if self.in_video[one[0]] and self._rules.same_photo != "allow":
            return self._are_apart(one, other)
        if len(self.rows(photo)) > CROWD:
            if self._rules.same_photo != "forbid" or groups:
                return np.zeros((len(one), len(other)), dtype=np.bool_)
            return self._are_apart(one, other)
        rows, apart, two, near = self._among(photo)
        place = np.argsort(rows)
        at = np.ix_(*(place[np.searchsorted(rows, of, sorter=place)] for of in (one, other)))
        if self._rules.same_photo == "forbid" and not groups:
            return apart[at]
        if self._rules.same_photo == "allow":
            return np.zeros((len(one), len(other)), dtype=np.bool_)
        if excuse and photo in self._excused:
            side, beside = self._side[one][:, None], self._side[other]
            surely: NDArray[np.bool_] = two[at] & (side >= 0) & (side ^ 1 == beside)
            return surely
        return two[at] if groups else two[at] & ~near[at]

    def _compare(
        self, photo: int
    ) -> tuple[NDArray[np.intp], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """Look at all faces of a photo.

        Returns:
            (f,) rows; and of each two of them (f, f): whether they are not the same face found twice; whether they
            are not tiles of a collage, either; whether they are alike.
        """
        rows, radii = self.rows(photo), self._rules.radii
        n = len(rows)
        apart = self._are_apart(rows, rows)
        points = self.points[rows]
        squared = squared_distances(points, points)
        linked = (squared <= radii.eps**2) & apart  # NaN is not
        third = linked.astype(np.float32) @ linked.astype(np.float32)
        tiles = linked & (third >= COLLAGE - 2)
        is_collage = 2 * np.count_nonzero(tiles.any(axis=1)) >= n
        two = np.zeros_like(apart) if is_collage else apart & ~tiles
        crowding = points.crowding[:, None] + points.crowding
        alike = squared - crowding <= ALIKE**2 * local_limit(radii.join, crowding)
        return rows, apart, two, alike

    def _are_apart(self, one: NDArray[np.intp], other: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Say which of (j,) and (k,) faces of one photo are not the same, nor the same face found twice -> (j, k).

        In a video, which of them are of two tracks that are there at once.
        """
        if self.in_video[one[0]]:
            track = self._faces.track
            tracks: NDArray[np.bool_] = track[one][:, None] != track[other]
            return tracks & at_once(self._faces, one, other)
        apart: NDArray[np.bool_] = one[:, None] != other
        box = self._box[other].astype(np.float64)
        size = max(1, _PAIRS // len(other))
        for start in range(0, len(one), size):
            some = one[start : start + size]
            low = np.repeat(self._box[some].astype(np.float64), len(other), axis=0)
            share = overlaps(low, np.tile(box, (len(some), 1)))
            apart[start : start + size] &= (share < SAME_FACE_IOU).reshape(len(some), -1)
        return apart


class Shown:
    """In which photos groups of faces are, and which groups are of two people by what people decided.

    Groups are numbered as by `merge`: the first ones from 0, merged ones after them.
    """

    def __init__(
        self, rivals: Rivals, rows: NDArray[np.intp], start: NDArray[np.intp], same_photo: SamePhotoRule
    ) -> None:
        """Look at p groups.

        Args:
            rivals: of the table that the faces are of.
            rows: faces of the first group, then of the second, and so on.
            start: (p + 1,) where each begins, and the end.
            same_photo: see `SamePhotoRule`.
        """
        self._rivals, self._rows, self._start, self._rule = rivals, rows, start, same_photo
        self._photos: dict[int, dict[int, list[int]]] = {}
        self._n_photos: dict[int, int] = {}
        self._apart: dict[int, set[int]] = {}
        self._parts: dict[int, tuple[int, int]] = {}
        self._sides: dict[int, doubles.Side] = {}
        self._kept_apart: list[tuple[int, int]] = []  # rows of two groups

    def keep_apart(self, a: int, b: int) -> None:
        """Two groups are two people, whatever they look like."""
        self._apart.setdefault(a, set()).add(b)
        self._apart.setdefault(b, set()).add(a)

    def penalty(self, a: int, b: int) -> float:
        """Say what speaks against two groups being one person's, in parts of the squared joining radius.

        0 where nothing does, infinite where it is ruled out. Where photos show both, but the two are hardly further
        from each other than each is within (`doubles.verdict`), nothing does: that is one person, twice in photos.
        Else, with k photos that show both, of m that show the one with fewer: WEIGHT * k ln(k / (TWICE m)) /
        ln(1 / TWICE), if k is more than TWICE m. That is the logarithm of how much likelier k is for two people who
        are together as often than for one who is shown twice in a `TWICE`th of the photos (Poisson), so that it grows
        with every photo and one of many photos hardly counts.
        Where it is forbidden that a person is twice in a photo, that is for groups only, of which one face gives way
        later (`split.take_out`); what has fewer than `GROUPS` photos is kept apart. Tracks of a video that are there at
        once are, too.
        """
        if b in self._apart.get(a, ()):
            return math.inf
        if self._rule == "allow":
            return 0.0
        small, large = self._shown(a), self._shown(b)
        if len(small) > len(large):
            small, large = large, small
        shared = [photo for photo in small if photo in large]
        if not shared:
            return 0.0
        n_photos = min(self._count(a), self._count(b))
        groups = n_photos >= GROUPS

        def are_two(photo: int, *, excuse: bool) -> bool:
            one, other = np.array(small[photo]), np.array(large[photo])
            return bool(self._rivals.two_people(one, other, groups=groups, excuse=excuse).any())

        both = [photo for photo in shared if are_two(photo, excuse=False)]
        if any(self._rivals.in_video[small[photo][0]] for photo in both):
            return math.inf
        k = sum(are_two(photo, excuse=True) for photo in both)
        if k and self._rule == "forbid" and not groups:
            return math.inf
        several = len(both) > 1
        verdict = doubles.verdict(self._side(a), self._side(b), len(both)) if several else Doubles.TOO_FEW
        if verdict == Doubles.SURELY_TWO:
            k = len(both)
        elif verdict == Doubles.ONE and self._rule == "prefer":
            return 0.0
        if k:
            self._kept_apart.append((self._first_row(a), self._first_row(b)))
        return against(k, n_photos) if k else 0.0

    def but_for_photos(self, label: NDArray[np.int32], reach: Reach) -> NDArray[np.int32] | None:
        """Put those groups together that are as near as one person's, and that only photos with both kept apart.

        Args:
            label: (n,) group of each face after merging, -1 none.
            reach: how near is near enough.

        Returns:
            (n,) group of each; None if there are none to put together.
        """
        pairs = {(int(label[i]), int(label[j])) for i, j in self._kept_apart}
        pairs = {(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]}
        if not pairs:
            return None
        wanted = np.unique(list(pairs))
        place = np.searchsorted(wanted, label)
        known = (label >= 0) & (wanted[np.minimum(place, len(wanted) - 1)] == label)
        groups = Groups.of(self._rivals.points, np.where(known, place, -1).astype(np.int32))
        linked = UnionFind(len(wanted))
        for pair in sorted(pairs):
            one, other = np.searchsorted(wanted, pair)
            cost = groups.squared_between(one)[other] + reach.handicap(groups.count[[one, other]]).sum()
            if cost <= reach.radius**2:
                linked.link(np.array([one]), np.array([other]))
        alike = label.copy()
        alike[known] = wanted[linked.find(place[known])]
        return alike

    def _first_row(self, node: int) -> int:
        """A face of a group."""
        while node in self._parts:
            node = self._parts[node][0]
        return int(self._rows[self._start[node]])

    def merge(self, a: int, b: int, node: int) -> None:
        """Number the union of two groups `node`."""
        self._parts[node] = a, b
        if self._rule != "allow":
            small, large = sorted((self._shown(a), self._shown(b)), key=len)
            self._n_photos[node] = self._count(a) + self._count(b) - sum(photo in large for photo in small)
            for photo, rows in small.items():
                large[photo] = large.get(photo, []) + rows
            self._photos[node] = large
            for end in (a, b):
                self._photos.pop(end, None)
        if foes := self._apart.pop(a, set()) | self._apart.pop(b, set()):
            self._apart[node] = foes
            for foe in foes:
                self._apart[foe] -= {a, b}
                self._apart[foe].add(node)

    def _members(self, group: int) -> NDArray[np.intp]:
        return self._rows[self._start[group] : self._start[group + 1]]

    def _shown(self, node: int) -> dict[int, list[int]]:
        """The faces of a group that are not alone in their photo, by photo."""
        shown = self._photos.get(node)
        if shown is None:
            rows = self._members(node)
            shown = {}
            for row in rows[self._rivals.in_company[rows]].tolist():
                shown.setdefault(int(self._rivals.photo[row]), []).append(row)
            if len(rows) > 1:
                self._photos[node] = shown
        return shown

    def _side(self, node: int) -> doubles.Side:
        """Sum up the faces of a group."""
        side = self._sides.get(node)
        if side is None:
            parts = self._parts.get(node)
            side = (
                self._side(parts[0]).joined(self._side(parts[1]))
                if parts
                else doubles.Side.of_shots(
                    self._rivals.points.encoding[self._members(node)], self._rivals.same_shot
                )
            )
            self._sides[node] = side
        return side

    def _count(self, node: int) -> int:
        """Different photos of a group."""
        count = self._n_photos.get(node)
        if count is None:
            count = self._n_photos[node] = len(np.unique(self._rivals.photo[self._members(node)]))
        return count


def against(k: int, m: int) -> float:
    """Weigh k photos that show two groups of which one has m: see `Shown.penalty`."""
    return WEIGHT * k * max(0.0, math.log(k / (TWICE * m))) / -math.log(TWICE)
