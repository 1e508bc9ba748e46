"""A report that can be given away: people, their faces and their photos as pages that need no server and no network.

`choose` says what is in it, `make` writes it: one file that holds everything, or a folder of pages with pictures beside
them. A page needs no JavaScript to be looked at. Names are escaped, and a Content-Security-Policy lets nothing be
loaded but the pictures, and nothing run but the script of ours, which is known by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import math
import os
import re
import stat
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import IO, Protocol

from facecluster.durable.lock import is_stream
from facecluster.durable.own_file import OWNER_ONLY, open_own
from facecluster.durable.own_list import FORMAT, RESULT_MARKER, line
from facecluster.durable.whole_file import whole_file
from facecluster.durable.whole_folder import whole_folder
from facecluster.errors import PhotoError
from facecluster.photos.moment import Scene, place_of
from facecluster.render.montage import Meant, permissions_of
from facecluster.render.report_pictures import COVER_PX, FACE_PX, Pictures, Square, make_pictures
from facecluster.render.show import Taken, stamp
from facecluster.render.tile import turns_of
from facecluster.result import Box, Person, PersonFace
from facecluster.table import Picture
from facecluster.text import many, printable, quoted

MOST_PEOPLE = 200
"""People whom one file has."""

MOST_BYTES = 300_000_000
"""Of one file, about: a larger one takes browsers and mail programs long."""

HEADER = "<!DOCTYPE html>\n<!-- facecluster report"
"""How each page of ours starts."""

_FACE_BYTES, _PHOTO_BYTES = 9_000, 230_000
"""About what a face and a photo take in a file, written in letters as they are there."""

_INDEX, _PICTURES = "index.html", "pictures"
_OUR_PAGE = re.compile(r"index\.html|person-\d{4,}\.html", re.ASCII)
_OUR_PICTURE = re.compile(r"(face|photo|cover)-\d+\.jpg", re.ASCII)
_MARKER = line({"format": FORMAT, "lines": 0})
"""Of an empty list of our files: it keeps the pictures of a report from being taken for photos."""

_UNIT = 1000
"""Length of the longer side of a photo in the numbers of its boxes."""

_MOST_LETTERS = 28
"""Of a name beside a box."""

_FEW = 10
"""Faces of somebody who takes half of the width of a sheet."""

_MOST_AT_ONCE = 400
"""Pictures that a page of a folder loads before they are seen, so that it may be printed at once."""


@dataclass(frozen=True)
class Look:
    """How a report looks.

    Attributes:
        title: stands above it.
        photos: whether the photos are in it, and not faces alone.
        file_names: whether they are named.
    """

    title: str = "People"
    photos: bool = True
    file_names: bool = True


@dataclass(frozen=True)
class Content:
    """What a report is made from.

    Attributes:
        people: in the order of the report.
        pictures: of each photo, by path.
        time: when each photo was taken, in seconds since 1970, by path; photos without a time are not in it.
        n_without: photos that are left out as nobody of these people is in them, to be told; 0: nothing is told.
    """

    people: Sequence[Person]
    pictures: Mapping[str, Picture]
    time: Mapping[str, float]
    n_without: int = 0


@dataclass(frozen=True)
class Made:
    """What became of a report.

    Attributes:
        path: of the file or folder.
        people, faces, photos: that are in it; photos: also pages of one, and frames of a video; 0 where only faces were
            wanted.
        n_bytes: of all of it.
        private: whether only its owner may read it, as not everybody may read its photos.
        lost: photos that cannot be shown, with the reason.
    """

    path: Path
    people: int
    faces: int
    photos: int
    n_bytes: int
    private: bool
    lost: Sequence[tuple[str, str]]


def about_left_out(n: int) -> str:
    """Say how many photos are not in a report, as its people are not in them."""
    return f"{many(n, 'photo')} without these people {'is' if n == 1 else 'are'} left out"


def estimate(content: Content, look: Look) -> int:
    """Tell about how many bytes a report takes as one file."""
    n_faces = sum(person.n_faces for person in content.people)
    return _FACE_BYTES * n_faces + _PHOTO_BYTES * look.photos * len(_photos_of(content))


def is_report(file: Path) -> bool:
    """Say whether a file is a page of ours.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as opened:
        return opened.read(len(HEADER)) == HEADER.encode()


def is_report_folder(folder: Path) -> bool:
    """Say whether a folder is a report, whole or not, in which nothing else lies."""
    try:
        if (folder / RESULT_MARKER).read_bytes() != _MARKER:
            return False
        for one in folder.iterdir():
            if one.is_symlink():
                return False
            if one.is_dir():
                if one.name != _PICTURES:
                    return False
                if not all(_OUR_PICTURE.fullmatch(inside.name) for inside in one.iterdir()):
                    return False
            elif one.name != RESULT_MARKER and not (_OUR_PAGE.fullmatch(one.name) and is_report(one)):
                return False
    except OSError:
        return False
    return True


def make(
    content: Content,
    look: Look,
    path: Path,
    meant: Meant,
    *,
    as_folder: bool,
    threads: int,
    advance: Callable[[], object] = lambda: None,
) -> Made:
    """Write a report.

    Args:
        content: what is in it.
        look: see `Look`.
        path: of the file, or of the folder.
        meant: says which photos are still those whose faces are known; others are left out.
        as_folder: make a folder of pages, with pictures beside them.
        threads: photos that are decoded at a time.
        advance: called after each photo.

    Raises:
        OutputError: it cannot be written; then all is as before.
    """
    photos = _photos_of(content)
    private = not permissions_of(path for path, _ in photos) & 0o004
    if as_folder:
        within = 0o700 if private else 0o777
        with whole_folder(path, is_report_folder, permissions=within) as folder:
            _write(folder / RESULT_MARKER, [_MARKER], private=private)
            (folder / _PICTURES).mkdir(within)
            store: _Store = _Beside(folder, private=private)
            report = _collect(content, look, photos, meant, store, threads, advance)
            pages = _Pages(report, look, content.n_without, store, as_folder=True)
            for person in report.people:
                _write(folder / f"{person.person.id}.html", _bytes(pages.of_person(person)), private=private)
            _write(folder / _INDEX, _bytes(pages.index()), private=private)
            n_bytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    else:
        with whole_file(path, permissions=OWNER_ONLY if private else 0o666) as file, _spool(path) as spool:
            if private and os.name != "nt" and stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                os.fchmod(file.fileno(), OWNER_ONLY)
            store = _Inside(spool)
            report = _collect(content, look, photos, meant, store, threads, advance)
            n_bytes = 0
            for piece in _bytes(_Pages(report, look, content.n_without, store, as_folder=False).all_in_one()):
                n_bytes += file.write(piece)
    n_faces = sum(len(person.faces) for person in report.people)
    n_photos = len(report.shots) if look.photos else 0
    return Made(path, len(report.people), n_faces, n_photos, n_bytes, private, report.lost)


def _spool(path: Path) -> IO[bytes]:
    """Open a file without a name, on the disk of a report: a kill leaves nothing of it."""
    return tempfile.TemporaryFile(dir=None if is_stream(path) else Path(os.path.realpath(path)).parent)


def _write(file: Path, pieces: Iterable[bytes], *, private: bool) -> None:
    """Write a file of a folder that nobody knows yet; private: for its owner alone."""
    with open_own(file, "xb", permissions=OWNER_ONLY if private else 0o666) as opened:
        opened.writelines(pieces)


def _bytes(pieces: Iterable[str]) -> Iterator[bytes]:
    return (piece.encode("utf-8", "replace") for piece in pieces)


# ----------------------------------------------------------------------------------------- where pictures go


class _Store(Protocol):
    """Takes pictures by name, and says what a page calls them, in pieces."""

    def put(self, name: str, jpeg: bytes) -> None: ...

    def address(self, name: str) -> str: ...


class _Inside:
    """Pictures that a page has in itself. They wait in a file that has no name, so that memory stays flat."""

    def __init__(self, spool: IO[bytes]) -> None:
        self._spool, self._end = spool, 0
        self._at: dict[str, tuple[int, int]] = {}

    def put(self, name: str, jpeg: bytes) -> None:
        self._spool.seek(self._end)
        self._spool.write(jpeg)
        self._at[name] = self._end, len(jpeg)
        self._end += len(jpeg)

    def address(self, name: str) -> str:
        start, length = self._at[name]
        self._spool.seek(start)
        return f"data:image/jpeg;base64,{base64.b64encode(self._spool.read(length)).decode('ascii')}"


class _Beside:
    """Pictures that lie in a folder beside pages. Their names say nothing of where the photos are."""

    def __init__(self, folder: Path, *, private: bool) -> None:
        self._folder, self._private = folder / _PICTURES, private

    def put(self, name: str, jpeg: bytes) -> None:
        _write(self._folder / f"{name}.jpg", [jpeg], private=self._private)

    def address(self, name: str) -> str:
        return f"{_PICTURES}/{name}.jpg"


# ------------------------------------------------------------------------------------------------- gathering


@dataclass(frozen=True)
class _Face:
    """A face of a person in the report: its picture, the number of its photo, and the name of that for people."""

    picture: str
    shot: int
    alt: str


@dataclass
class _Shown:
    """A person in the report; `number` is the place among those who were wanted."""

    number: int
    person: Person
    cover: str = ""
    faces: list[_Face] = field(default_factory=list)
    shots: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class _Shot:
    """A photo in the report, a page of one, or a frame of a video.

    Attributes:
        number: from 1.
        name: of its file, and where in it; "": not told.
        day: when it was taken, "2019-07-04"; "": not known.
        size: of the picture; 0, 0 where only faces are wanted.
        boxes: whose faces are where, as shares of width and height.
    """

    number: int
    name: str
    day: str
    size: tuple[int, int]
    boxes: Sequence[tuple[Person, Box]]


@dataclass(frozen=True)
class _Report:
    people: Sequence[_Shown]
    shots: Mapping[int, _Shot]
    lost: Sequence[tuple[str, str]]


def _photos_of(content: Content) -> list[Scene]:
    """The photos, pages and frames in which people are, by the day, then by name, then by where in the file."""
    scenes = {(face.photo, face.moment) for person in content.people for face in person.faces}

    def order(scene: Scene) -> tuple[float, str, str, int, float]:
        path, (page, time_s) = scene
        when = content.time.get(path, math.inf)
        return when, os.path.basename(path), path, page, time_s if time_s == time_s else 0.0

    return sorted(scenes, key=order)


def _collect(
    content: Content,
    look: Look,
    photos: Sequence[Scene],
    meant: Meant,
    store: _Store,
    threads: int,
    advance: Callable[[], object],
) -> _Report:
    """Make all pictures, and note who is on them."""
    on: dict[Scene, list[tuple[_Shown, int, PersonFace]]] = defaultdict(list)
    people = [_Shown(i, person) for i, person in enumerate(content.people)]
    for shown in people:
        for rank, face in enumerate(_in_order(shown.person)):
            on[face.photo, face.moment].append((shown, rank, face))
    wanted: dict[Scene, list[Square]] = {}
    for scene in photos:
        squares = [Square(f.box, turns_of(f.pose.roll), FACE_PX) for _, _, f in on[scene]]
        covers = [Square(f.box, turns_of(f.pose.roll), COVER_PX) for _, rank, f in on[scene] if rank == 0]
        wanted[scene] = squares + covers
    shots: dict[int, _Shot] = {}
    lost: list[tuple[str, str]] = []
    ranked: dict[int, list[tuple[int, _Face]]] = defaultdict(list)
    n_faces = 0
    found = make_pictures(wanted, content.pictures, meant, whole=look.photos, threads=threads)
    for number, (scene, result) in enumerate(found, start=1):
        advance()
        if isinstance(result, PhotoError):
            lost.append((scene[0], str(result)))
            continue
        faces = on.pop(scene)
        shot = _shot(number, scene, [(s.person, f) for s, _, f in faces], result, content, look)
        shots[number] = shot
        if result.photo is not None:
            store.put(f"photo-{number}", result.photo)
        jpegs_of_covers = iter(result.squares[len(faces) :])
        for (shown, rank, _), jpeg in zip(faces, result.squares, strict=False):
            n_faces += 1
            name = f"face-{n_faces}"
            store.put(name, jpeg)
            ranked[shown.number].append((rank, _Face(name, number, _told(shot) or f"photo {number}")))
            if rank == 0:
                shown.cover = f"cover-{shown.number + 1}"
                store.put(shown.cover, next(jpegs_of_covers))
    for shown in people:
        shown.faces = [face for _, face in sorted(ranked[shown.number], key=lambda one: one[0])]
        shown.shots = sorted({face.shot for face in shown.faces})
        if not shown.cover and shown.faces:
            shown.cover = shown.faces[0].picture
    return _Report([shown for shown in people if shown.faces], shots, lost)


def _in_order(person: Person) -> list[PersonFace]:
    """The faces of a person, the cover first."""
    return sorted(person.faces, key=lambda face: face.id != person.cover)


def _shot(
    number: int,
    scene: Scene,
    faces: Sequence[tuple[Person, PersonFace]],
    made: Pictures,
    content: Content,
    look: Look,
) -> _Shot:
    width, height = made.size
    boxes = [
        (who, Box(f.box.left / width, f.box.top / height, f.box.right / width, f.box.bottom / height))
        for who, f in sorted(faces, key=lambda one: one[1].box.left)
    ]
    path, moment = scene
    name = place_of(printable(os.path.basename(path)), moment) if look.file_names else moment.words
    return _Shot(number, name, _day(content.time.get(path)), made.photo_size, boxes)


def _day(time: float | None) -> str:
    return "" if time is None else (stamp(Taken(time, zoned=False)) or "")[:10]


# ----------------------------------------------------------------------------------------------------- pages


class _Pages:
    """Writes the pages of a report, in pieces."""

    def __init__(
        self, report: _Report, look: Look, n_without: int, store: _Store, *, as_folder: bool
    ) -> None:
        self._report, self._look, self._n_without = report, look, n_without
        self._store, self._as_folder = store, as_folder
        self._lazy = ""

    def all_in_one(self) -> Iterator[str]:
        """One page with everything."""
        report = self._report
        yield self._top(self._look.title, "")
        yield from self._everybody()
        for shown in report.people:
            yield from self._person(shown, "h2")
        if self._look.photos:
            yield from self._photos(report.shots, "Photos")
        yield _BOTTOM

    def index(self) -> Iterator[str]:
        """Everybody, with a page of each."""
        self._expect(len(self._report.people))
        yield self._top(self._look.title, "")
        yield from self._everybody()
        yield _BOTTOM

    def of_person(self, shown: _Shown) -> Iterator[str]:
        """The page of somebody."""
        self._expect(1 + len(shown.faces) + len(shown.shots) * self._look.photos)
        yield self._top(f"{_name(shown.person)} – {self._look.title}", self._look.title)
        yield from self._person(shown, "h1")
        if self._look.photos:
            yield from self._photos(shown.shots, "Photos")
        yield _BOTTOM

    def _expect(self, n_pictures: int) -> None:
        """Let pictures of a page wait until they are seen if there are many."""
        self._lazy = ' loading="lazy"' if n_pictures > _MOST_AT_ONCE else ""

    def _top(self, title: str, back: str) -> str:
        script, style = _ours("report.js"), _ours("report.css")
        there = "'self' file:" if self._as_folder else "data:"
        policy = (
            f"default-src 'none'; img-src {there}; style-src {_hash(style)}; script-src {_hash(script)}; "
            "base-uri 'none'; form-action 'none'"
        )
        switch = _SWITCH if self._look.photos and (back or not self._as_folder) else ""
        home = f'<a class="home" href="{_INDEX}">‹ <bdi>{_text(back)}</bdi></a>' if back else ""
        if not back:
            home = '<a class="home" href="#people">People</a>'
            home += '<a class="home" href="#photos">Photos</a>' if switch else ""
        return Template(_ours("report.html")).substitute(
            header=HEADER,
            policy=policy,
            title=_text(title),
            style=style,
            script=script,
            home=home,
            switch=switch,
            checkbox=_CHECKBOX if switch else "",
            find="" if back else _FIND,
        )

    def _everybody(self) -> Iterator[str]:
        """Covers, names, numbers, years."""
        report = self._report
        days = [shot.day for shot in report.shots.values()]
        told = [many(len(report.people), "person", "people"), many(len(report.shots), "photo")]
        told += [_years(days), _dated(days)]
        yield f'<section id="people" class="top"><h1><bdi>{_text(self._look.title)}</bdi></h1>'
        yield f'<p class="told">{" · ".join(filter(None, told))}</p>\n'
        if self._n_without:
            yield f'<p class="told">{about_left_out(self._n_without)}</p>\n'
        yield '<ul class="covers">\n'
        for shown in report.people:
            person, shots = shown.person, [report.shots[number] for number in shown.shots]
            told = [many(len(shots), "photo"), _years([shot.day for shot in shots])]
            yield (
                f'<li data-name="{_text((person.name or "").casefold())}"><a href="{self._where(person)}">'
                f"{self._img(shown.cover, '', COVER_PX, COVER_PX)}"
                f'<span class="name{_unnamed(person)}"><bdi>{_text(_name(person))}</bdi></span>'
                + "".join(f'<span class="told">{text}</span>' for text in told if text)
                + "</a></li>\n"
            )
        yield '</ul>\n<p class="nobody" hidden>Nobody is called so.</p></section>\n'

    def _person(self, shown: _Shown, level: str) -> Iterator[str]:
        """Somebody: the cover, the years, the faces."""
        person, shots = shown.person, [self._report.shots[number] for number in shown.shots]
        days = [shot.day for shot in shots]
        told = [many(len(shown.faces), "face"), many(len(shots), "photo"), _years(days), _dated(days)]
        n = len(shown.faces)
        size = "" if level == "h1" or n > _FEW else " one" if n == 1 else " few"
        yield f'<section id="{person.id}" class="person{size}"><header>'
        yield self._img(shown.cover, "", COVER_PX, COVER_PX)
        yield f'<div><{level} class="{_unnamed(person).strip()}"><bdi>{_text(_name(person))}</bdi></{level}>'
        yield f'<p class="told">{" · ".join(filter(None, told))}</p></div>{_strip(days)}</header>\n'
        yield '<ul class="faces">\n'
        for face in shown.faces:
            alt = _text(f"{_name(person)}, {face.alt}")
            img = self._img(face.picture, alt, FACE_PX, FACE_PX)
            if self._look.photos:
                img = f'<a href="#photo-{face.shot}">{img}</a>'
            yield f"<li>{img}</li>\n"
        yield "</ul></section>\n"

    def _photos(self, numbers: Collection[int], heading: str) -> Iterator[str]:
        """Photos, with who is on them."""
        yield f'<section id="photos"><h2>{heading}</h2>\n<div class="photos">\n'
        for number in numbers:
            yield self._photo(self._report.shots[number])
        yield "</div></section>\n"

    def _photo(self, shot: _Shot) -> str:
        width, height = (side * _UNIT / max(shot.size) for side in shot.size)
        people = {person.id: person for person, _ in shot.boxes}
        names = quoted(map(_name, people.values()))
        alt = _text(f"Photo of {', '.join(names)}{f', {shot.day}' if shot.day else ''}")
        who = ", ".join(
            f'<a href="{self._where(person)}"><bdi>{_text(_name(person))}</bdi></a>'
            for person in people.values()
        )
        when = " · ".join(
            filter(
                None, [f'<time datetime="{shot.day}">{shot.day}</time>' * bool(shot.day), _text(shot.name)]
            )
        )
        boxes = "".join(_box(_name(person), box, width, height) for person, box in shot.boxes)
        return (
            f'<figure class="photo" id="photo-{shot.number}"><a class="frame" href="#photo-{shot.number}">'
            f"{self._img(f'photo-{shot.number}', alt, *shot.size)}"
            f'<svg class="boxes" viewBox="0 0 {width:.0f} {height:.0f}" aria-hidden="true">{boxes}</svg></a>'
            f'<figcaption><span class="who">{who}</span><span class="when">{when}</span>'
            '<a class="close" href="#photos">Close</a></figcaption></figure>\n'
        )

    def _img(self, name: str, alt: str, width: int, height: int) -> str:
        return (
            f'<img src="{self._store.address(name)}" alt="{alt}" width="{width}" height="{height}"{self._lazy} '
            'decoding="async">'
        )

    def _where(self, person: Person) -> str:
        return f"{person.id}.html" if self._as_folder else f"#{person.id}"


_SWITCH = '<label class="switch" for="boxes">Boxes and names</label>'
_CHECKBOX = '<input type="checkbox" id="boxes" checked aria-label="Boxes and names on photos">'
_FIND = '<input type="search" id="find" hidden placeholder="Find a name" aria-label="Find a name" autocomplete="off">'
_BOTTOM = "</div>\n</main>\n</body>\n</html>\n"


@cache
def _ours(name: str) -> str:
    """A file that pages are made of."""
    return resources.files("facecluster.render").joinpath("report_page", name).read_text("utf-8")


def _hash(text: str) -> str:
    """How a policy names a style or a script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def _text(text: str) -> str:
    """Escape a text for a page, also inside of quotes."""
    return escape(printable(text), quote=True)


def _name(person: Person) -> str:
    return person.name or f"Person {int(person.id.rpartition('-')[2])}"


def _unnamed(person: Person) -> str:
    return "" if person.name else " unnamed"


def _told(shot: _Shot) -> str:
    return ", ".join(filter(None, [shot.day, shot.name]))


def _years(days: Iterable[str]) -> str:
    """The first and the last year: "2009–2019"; "" where none is known."""
    years = sorted({day[:4] for day in days if day})
    return "–".join(dict.fromkeys([years[0], years[-1]])) if years else ""


def _dated(days: Sequence[str]) -> str:
    """Say of how many photos the day is known, where that is so of some: "15 of 100 dated"."""
    n = sum(map(bool, days))
    return f"{n} of {len(days)} dated" if 0 < n < len(days) else ""


def _strip(days: Sequence[str]) -> str:
    """Photos by year, as bars; "" where there is one year at most."""
    count = Counter(int(day[:4]) for day in days if day)
    if len(count) < 2:
        return ""
    years = range(min(count), max(count) + 1)
    told = ", ".join(f"{year}: {count[year]}" for year in years if count[year])
    step, high, most = 12, 40, max(count.values())
    bars = "".join(
        f'<rect x="{step * i}" y="{high - h:.1f}" width="{step - 3}" height="{h:.1f}" rx="2"><title>{year}: '
        f"{count[year]}</title></rect>"
        for i, year in enumerate(years)
        if (h := max(high * count[year] / most, 3) if count[year] else 0)
    )
    return (
        f'<div class="years"><svg viewBox="0 0 {step * len(years) - 3} {high}" width="{step * len(years) - 3}" '
        f'height="{high}" role="img" aria-label="Photos by year: {told}">{bars}</svg>'
        f'<p aria-hidden="true"><span>{years[0]}</span><span>{years[-1]}</span></p></div>'
    )


def _box(name: str, box: Box, width: float, height: float) -> str:
    """A box, and the name above it, or below where there is no room."""
    left, top, right, bottom = box.left * width, box.top * height, box.right * width, box.bottom * height
    y = top - 10 if top > 50 else min(bottom + 30, height - 8)
    x, side = (right, ' class="end"') if left > 0.7 * width else (left, "")
    short = name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 1]}…"
    return (
        f'<rect x="{left:.0f}" y="{top:.0f}" width="{right - left:.0f}" height="{bottom - top:.0f}" rx="6"/>'
        f'<text x="{x:.0f}" y="{y:.0f}"{side}>{_text(short)}</text>'
    )
