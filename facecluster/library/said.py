"""What other programs' files say of who is in photos, and which faces they mean.

`read_said` reads the files of photos: XMP in them and beside them, `.picasa.ini`, Google Takeout's and osxphotos' JSON.
`match` finds the faces. Nothing is decided here.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from facecluster.errors import FaceclusterError, PhotoError, UsageError
from facecluster.formats import osxphotos_json, picasa_ini, tags_jsonl, takeout, xmp, xmp_write
from facecluster.formats.embedded import Embedded, embedded_of
from facecluster.formats.forgotten_jsonl import Place
from facecluster.formats.osxphotos_json import ApplePhoto
from facecluster.formats.said_names import (
    LONGEST_NAME,
    Box,
    Origin,
    SaidName,
    clean_name,
    load_json,
    read_bounded,
)
from facecluster.formats.xmp_write import NOTHING, Tags
from facecluster.identity.changes import Placed
from facecluster.library import sidecar
from facecluster.library.layout import TAGS
from facecluster.photos.kinds import EXTENSIONS, RAW_EXTENSIONS, VIDEO_EXTENSIONS
from facecluster.text import fold, many, printable

ORIGINS: tuple[Origin, ...] = ("xmp", "picasa", "takeout", "osxphotos")
"""Whose files are read, all of them."""

SAME_REGION = 0.5
"""Overlap from which on two regions with one name, or of two files, are one place: as of boxes of one face."""

LEAST_OVERLAP = 0.1
"""Overlap of a region and a face from which on the region may be of the face, if their middles are near too
(`_is_near`). Programs draw boxes of very different sizes round a face. Of 467 labelled faces of `wider_dev`, whose
boxes were moved and made 0.6 to 2.4 times as wide and high, 99.4 % or more found their face and none another one. At
0.2 28 % of the largest did. At 0.5, from which on two boxes are of one face elsewhere, hardly any of those 1.6 times as
wide did (`benchmarks/regions.py`)."""

_MOST_NAMES = 1000
"""Names that a file may give in a photo; each region of them is compared with each other one."""

_PEOPLE = "people"
"""The keyword that names of people stand below."""

_OF_APPLE = frozenset({"persons", "faces", "face_info", "uuid", "SourceFile", "RegionName", "PersonInImage"})
"""What an object of JSON has that osxphotos or ExifTool wrote."""

_EDITED = "_edited"
"""How the name of an edited version ends that osxphotos exports, before its ending."""

_PHOTOS = EXTENSIONS - RAW_EXTENSIONS - VIDEO_EXTENSIONS
"""Endings of photos of which one name says whose sidecar it is; a RAW file and a JPEG of the same name are one."""


@dataclass(frozen=True)
class Said:
    """What files say of photos.

    Attributes:
        names: by path of the photo, as it was asked for; boxes lie in the upright picture. Each name is once at a
            place, and one without a place only where it has no box in this photo.
        troubles: a line for each file that could not be read, or not be used.
        n_files: how many files name anybody.
    """

    names: Mapping[str, tuple[SaidName, ...]]
    troubles: tuple[str, ...]
    n_files: int


@dataclass(frozen=True)
class Matched:
    """Which faces are meant.

    Attributes:
        names: by row of the face; several are of several programs, and at most one of them has no box.
        unmatched: names with boxes in which there is no face, with the path of the photo.
        unplaced: names without boxes that may be of several faces, or of none, with the path of the photo.
        forgotten: names that may be of a face that was forgotten, with the path of the photo.
    """

    names: Mapping[int, tuple[SaidName, ...]]
    unmatched: tuple[tuple[str, SaidName], ...]
    unplaced: tuple[tuple[str, SaidName], ...]
    forgotten: tuple[tuple[str, SaidName], ...] = ()


def origins_of(texts: Sequence[str]) -> tuple[Origin, ...]:
    """Give origins by their names; all of them where none is given.

    Raises:
        UsageError: there is no such origin.
    """
    for text in texts:
        if text not in ORIGINS:
            raise UsageError(f"{printable(text)}: no program whose files are read; give {', '.join(ORIGINS)}")
    return tuple(origin for origin in ORIGINS if not texts or origin in texts)


def tagged(directory: Path, faces: Placed) -> dict[str, Tags]:
    """Give what `facecluster tag` wrote for the people of a folder, by path of the file; nothing where it never did.

    Files that went along with photos are found where their faces are now, and copies of them with copies of photos.

    Raises:
        FaceclusterError: the list of these files cannot be read.
    """
    records = tags_jsonl.read(directory / TAGS).files
    ours = {file: one.tags for file, one in records.items()}
    paths: dict[str, set[str]] = defaultdict(set)
    for id_, photo in zip(faces.id, faces.photo, strict=True) if records else ():
        paths[id_.rpartition("-")[0]].add(photo)
    for file, one in records.items():
        naming: tags_jsonl.Naming = "ext" if file == one.photo + sidecar.ENDING else "stem"
        for path in paths[one.id]:
            there = path if one.is_embedded else sidecar.sidecar_of(path, naming)
            if there not in records:
                ours[there] = tags_jsonl.both(one.tags, ours.get(there, NOTHING))
    return ours


def tagged_by(folders: Iterable[Path], faces: Placed) -> dict[str, Tags]:
    """Give what `facecluster tag` wrote for the people of several folders, see `tagged`."""
    ours: dict[str, Tags] = {}
    for folder in dict.fromkeys(folders):
        for file, tags in tagged(folder, faces).items():
            ours[file] = tags_jsonl.both(tags, ours.get(file, NOTHING))
    return ours


def read_said(
    photos: Sequence[str],
    origins: Collection[Origin],
    given: Sequence[Path] = (),
    ours: Mapping[str, Tags] = MappingProxyType({}),
) -> Said:
    """Read who is in photos, as other programs have it.

    XMP beside a photo counts more than that in it, where both name somebody at one place: other programs write names
    into the one or the other. `photo.xmp` is nobody's where two photos of its folder may be meant.

    Args:
        photos: paths.
        origins: whose files are read.
        given: JSON of osxphotos about many photos, and Picasa's `contacts.xml`.
        ours: what in XMP is our own answer and nobody's word, by path of the file, see `tagged`; it is not read.

    Raises:
        FaceclusterError: a given file cannot be read, or is none of these.
    """
    found = _Found()
    contacts: dict[str, str] = {}
    apple: list[tuple[Path, list[ApplePhoto]]] = []
    for file in given:
        if file.suffix.lower() == ".xml":
            contacts |= picasa_ini.read_contacts(file)
        else:
            apple.append((file, osxphotos_json.read(file)))
    by_folder: dict[str, list[str]] = defaultdict(list)
    for photo in dict.fromkeys(photos):
        by_folder[os.path.dirname(photo)].append(photo)
    told = _of_apple(apple, photos, found) if "osxphotos" in origins else {}
    for path, inside in by_folder.items():
        folder = _Folder.of(path, found)
        picasa = _picasa(folder, contacts, found) if "picasa" in origins else None
        for photo in inside:
            said = list[tuple[SaidName, ...]]()
            embedded = _Lazy(photo)
            if "xmp" in origins:
                said += _of_xmp(photo, folder, embedded, found, ours)
            if picasa is not None:
                said.append(picasa.of(os.path.basename(photo)).names)
            if not {"takeout", "osxphotos"}.isdisjoint(origins):
                said += _of_json(photo, folder, origins, found)
            said += told.get(photo, ())
            found.put(photo, said, embedded)
    troubles = [*found.troubles]
    if found.long:
        n, first = many(len(found.long), "name"), printable(found.long[0])
        troubles.insert(0, f"{n} of more than {LONGEST_NAME} letters, left out, the first in {first}")
    return Said(found.names, tuple(troubles), len(found.files))


def forgotten_in(
    places: Iterable[Place], photos: Iterable[tuple[str, str, str]]
) -> dict[str, list[Box] | None]:
    """Say where faces were that are forgotten, 0..1 of photos by path; None: all faces of a photo are.

    Args:
        places: of the faces.
        photos: path, `table.Photos.digest` and `pixels` of each.
    """
    by_photo: dict[str, list[Place]] = defaultdict(list)
    for place in places:
        for key in {place.photo, place.pixels} - {""}:
            by_photo[key].append(place)
    found: dict[str, list[Box] | None] = {}
    for path, *keys in photos:
        there = [place for key in dict.fromkeys(keys) for place in by_photo.get(key, ())]
        if there:
            boxes = [_share(place.box, place.size) for place in there if place.box is not None]
            found[path] = boxes if len(boxes) == len(there) else None
    return found


def _share(box: Sequence[float], size: tuple[int, int]) -> Box:
    """Give a box in pixels as shares of the sides of its photo."""
    width, height = (max(side, 1) for side in size)
    return box[0] / width, box[1] / height, box[2] / width, box[3] / height


def match(
    said: Said,
    faces: Placed,
    sizes: Mapping[str, tuple[int, int]],
    known: Sequence[str | None] | None = None,
    forgotten: Mapping[str, Sequence[Box] | None] = MappingProxyType({}),
) -> Matched:
    """Find the faces that names are of.

    A name with a box is of the face of the first page that overlaps it most, each face of one place and each place of
    one face, the best first. Boxes of Picasa's lie in the stored picture or, where more of a photo's have a face then,
    in the upright one. A name without a box is of the face that is left where these are one and one, whatever it is
    known as; else of a face that is known to have it. Where one face of the photo without a name, or one person of a
    video or of several pages, and one name are left then, they belong together.

    Args:
        said: see `Said`.
        faces: n faces of a result or a table.
        sizes: width and height of the upright photos in pixels, by path; nothing is said of a photo that is not here.
        known: n names that faces have already, None without one; None: nobody has.
        forgotten: where faces were that are forgotten, by path of the photo; None: all of its faces are. A name without
            a box may be theirs.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for row, photo in enumerate(faces.photo):
        if photo in said.names:
            rows[photo].append(row)
    names: dict[int, tuple[SaidName, ...]] = {}
    unmatched, unplaced, gone = (list[tuple[str, SaidName]]() for _ in range(3))
    boxes, in_first = faces.box.tolist(), ((faces.page == 0) & (faces.track < 0)).tolist()
    for photo, told in said.names.items():
        width, height = sizes.get(photo, (0, 0))
        here = rows[photo] if width > 0 and height > 0 else []
        at = [
            (left / width, top / height, right / width, bottom / height)
            if in_first[row]
            else (0.0, 0.0, 0.0, 0.0)
            for row, (left, top, right, bottom) in ((row, boxes[row]) for row in here)
        ]
        boxed = [one for one in told if one.box is not None]
        were = forgotten.get(photo, ())
        places, partner = _pair_up(boxed, [*at, *(were or ())])
        if len(partner) < len(places) and any(one.or_box is not None for one in boxed):
            turned = [one if one.or_box is None else replace(one, box=one.or_box) for one in boxed]
            others, their = _pair_up(turned, [*at, *(were or ())])
            if len(their) > len(partner):
                places, partner = others, their
        for number, place in enumerate(places):
            if (other := partner.get(number)) is not None and other < len(here):
                names[here[other]] = tuple(place)
            elif other is not None or were is None:
                gone += ((photo, one) for one in place)
            else:
                unmatched += ((photo, one) for one in place)
        taken = set(partner.values())
        left = [row for number, row in enumerate(here) if number not in taken]
        loose = [one for one in told if one.box is None]
        is_clear = photo not in forgotten and _is_clear(left, loose)  # whatever the face is called here
        if known is not None and not is_clear:
            left, loose = _known(left, loose, known, names)
        if photo in forgotten:
            gone += ((photo, one) for one in loose)
        elif is_clear or (_are_one(left, faces) and len({fold(one.name) for one in loose}) == 1):
            names[left[0]] = (loose[0],)
        else:
            unplaced += ((photo, one) for one in loose)
    return Matched(names, tuple(unmatched), tuple(unplaced), tuple(gone))


def _are_one(rows: Sequence[int], faces: Placed) -> bool:
    """Say whether faces are one, or at different moments one person's, or of one track."""
    moments = {
        (page, time)
        for page, time in zip(faces.page[rows].tolist(), faces.time_s[rows].tolist(), strict=True)
    }
    owners, tracks = set(faces.person[rows].tolist()), set(faces.track[rows].tolist())
    is_one = len(rows) == 1 or (len(owners) == 1 and owners != {-1}) or (len(tracks) == 1 and tracks != {-1})
    return is_one and len(moments) == len(rows) and len(owners) == 1


def _is_clear(rows: Sequence[int], loose: Sequence[SaidName]) -> bool:
    """Say whether there is one face, and one name without a box."""
    return len(rows) == 1 and len({fold(one.name) for one in loose}) == 1


def _known(
    rows: Sequence[int],
    loose: Sequence[SaidName],
    known: Sequence[str | None],
    names: dict[int, tuple[SaidName, ...]],
) -> tuple[list[int], list[SaidName]]:
    """Put down names without boxes that faces have already; give the rows without a name, and the names, left."""
    of_name: dict[str, list[int]] = {}
    for row in rows:
        if (name := known[row]) is not None:
            of_name.setdefault(fold(name), []).append(row)
    left = []
    for one in loose:
        if own := of_name.get(fold(one.name)):
            names.update((row, (one,)) for row in own)
        else:
            left.append(one)
    return [row for row in rows if known[row] is None], left


def overlap(a: Box, b: Box) -> float:
    """Give intersection over union of two boxes, 0..1."""
    wide, tall = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or tall <= 0:
        return 0.0
    shared = wide * tall
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def _pair_up(boxed: Sequence[SaidName], faces: Sequence[Box]) -> tuple[list[list[SaidName]], dict[int, int]]:
    """Give the places of names with boxes, and the face of each; see `_pairs`."""
    places = _places(boxed)
    return places, _pairs([_middle_box(place) for place in places], faces)


def _pairs(places: Sequence[Box], faces: Sequence[Box]) -> dict[int, int]:
    """Find the face of each place, those that overlap most first -> number of the face by that of the place."""
    likely = sorted(
        (-share, number, other)
        for number, place in enumerate(places)
        for other, face in enumerate(faces)
        if (share := overlap(place, face)) >= LEAST_OVERLAP and _is_near(place, face)
    )
    partner: dict[int, int] = {}
    taken = set[int]()
    for _, number, other in likely:
        if number not in partner and other not in taken:
            partner[number] = other
            taken.add(other)
    return partner


def _is_near(a: Box, b: Box) -> bool:
    """Say whether the middles of two boxes are nearer, across and down, than half a side of the smaller box."""
    return all(
        abs((a[low] + a[high]) - (b[low] + b[high])) < min(a[high] - a[low], b[high] - b[low])
        for low, high in ((0, 2), (1, 3))
    )


def _places(said: Sequence[SaidName]) -> list[list[SaidName]]:
    """Put names at one place together; two that one file has are at two."""
    places: list[list[SaidName]] = []
    for one in said:
        best = max(
            (place for place in places if all(other.file != one.file for other in place)),
            key=lambda place: _overlap_of(place[0], one),
            default=None,
        )
        if best is not None and _overlap_of(best[0], one) >= SAME_REGION:
            best.append(one)
        else:
            places.append([one])
    return places


def _overlap_of(a: SaidName, b: SaidName) -> float:
    return 0.0 if a.box is None or b.box is None else overlap(a.box, b.box)


def _middle_box(place: Sequence[SaidName]) -> Box:
    """Give the first box of a place."""
    box = place[0].box
    if box is None:
        raise ValueError("expected names with boxes")
    return box


class _Lazy:
    """What is embedded in a photo, read when it is first asked for."""

    def __init__(self, photo: str) -> None:
        self._photo = photo
        self._read: Embedded | None = None

    def get(self) -> Embedded:
        """Give it.

        Raises:
            FaceclusterError: the photo cannot be read.
        """
        if self._read is None:
            try:
                self._read = embedded_of(self._photo)
            except PhotoError as error:
                raise FaceclusterError(f"{printable(self._photo)}: {error}") from error
        return self._read


@dataclass
class _Found:
    """What is found so far; see `Said`."""

    names: dict[str, tuple[SaidName, ...]] = field(default_factory=dict)
    troubles: dict[str, None] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    long: list[str] = field(default_factory=list)
    """Files of names that are too long."""

    def trouble(self, error: FaceclusterError | str) -> None:
        """Note a trouble, once."""
        self.troubles[str(error)] = None

    def put(self, photo: str, said: Sequence[tuple[SaidName, ...]], embedded: _Lazy) -> None:
        """Take in what the files of a photo say, the one that counts most first."""
        for names in said:
            if len(names) > _MOST_NAMES:
                self.trouble(
                    f"{printable(names[0].file)}: has {len(names)} names for {printable(os.path.basename(photo))}; "
                    f"the first {_MOST_NAMES} count"
                )
        said = [names[:_MOST_NAMES] for names in said]
        self.long += [one.file for names in said for one in names if len(one.name) > LONGEST_NAME]
        said = [tuple(one for one in names if len(one.name) <= LONGEST_NAME) for names in said]
        if not any(said):
            return
        orientation = 1
        if any(one.picture == "stored" for names in said for one in names):
            try:
                orientation = embedded.get().orientation
            except FaceclusterError as error:
                self.trouble(error)
                return
        kept: list[SaidName] = []
        for names in said:
            for one in names:
                if one.box is not None and one.picture == "stored":
                    either = one.box if one.origin == "picasa" and orientation != 1 else None
                    one = replace(
                        one, box=xmp.upright(one.box, orientation), picture="upright", or_box=either
                    )
                if one.box is not None and not _is_said(one, kept):
                    kept.append(one)
        boxed = {fold(one.name) for one in kept}
        for names in said:
            for one in names:
                if one.box is None and fold(one.name) not in boxed:
                    boxed.add(fold(one.name))
                    kept.append(one)
        self.names[photo] = tuple(kept)
        self.files.update(one.file for one in kept)


def _is_said(one: SaidName, before: Sequence[SaidName]) -> bool:
    """Say whether a name is said already at a place, or another XMP of the same photo names somebody there."""
    return any(
        (
            fold(one.name) == fold(other.name)
            or (one.origin == other.origin == "xmp" and one.file != other.file)
        )
        and _overlap_of(one, other) >= SAME_REGION
        for other in before
    )


@dataclass(frozen=True)
class _Folder:
    """The files of a folder.

    Attributes:
        path: of it.
        names: of the files, as they are spelt.
        links: those of them that are links.
        folded: how a name is spelt, by the name without regard to case.
        stems: how many photos have a name but for its ending, without regard to case. A RAW file and a JPEG are one.
        films: how many videos have one.
        takeout: to find Takeout's JSON.
    """

    path: str
    links: frozenset[str]
    folded: Mapping[str, str]
    stems: Mapping[str, int]
    films: Mapping[str, int]
    takeout: takeout.Folder

    @classmethod
    def of(cls, path: str, found: _Found) -> _Folder:
        """Look into a folder; one that cannot be read has no files."""
        links, names = set[str](), list[str]()
        try:
            with os.scandir(path or os.curdir) as entries:
                for entry in entries:
                    names.append(entry.name)
                    if entry.is_symlink():
                        links.add(entry.name)
        except OSError as error:
            found.trouble(f"{printable(path)}: {error.strerror}; nothing beside its photos was read")
        split = [(fold(stem), ending.lower()) for stem, ending in map(os.path.splitext, names)]
        photos = Counter(stem for stem, ending in split if ending in _PHOTOS)
        raw = Counter(stem for stem, ending in split if ending in RAW_EXTENSIONS)
        films = Counter(stem for stem, ending in split if ending in VIDEO_EXTENSIONS)
        return cls(
            path,
            frozenset(links),
            {fold(name): name for name in sorted(names, reverse=True)},
            photos | raw,
            films,
            takeout.Folder(names),
        )

    def n_called(self, stem: str, ending: str) -> int:
        """How many photos or videos a sidecar may be of that is called as one but for its ending; 0: of none of these.

        Beside a photo it is the photo's, and not that of its moving picture.
        """
        n = self.stems.get(fold(stem), 0)
        if ending.lower() in VIDEO_EXTENSIONS:
            return 0 if n else self.films.get(fold(stem), 0)
        return max(n, 1)

    def file(self, name: str, found: _Found) -> Path | None:
        """Give the path of a file of the folder, if it is there and is no link that leads elsewhere."""
        spelt = self.folded.get(fold(name))
        if spelt is None:
            return None
        path = os.path.join(self.path, spelt)
        if spelt in self.links:
            there = os.path.dirname(os.path.realpath(path))
            if there != os.path.realpath(self.path or os.curdir):
                found.trouble(f"{printable(path)}: a link that leads out of its folder, and is not followed")
                return None
        return Path(path)


def _picasa(folder: _Folder, contacts: Mapping[str, str], found: _Found) -> picasa_ini.PicasaFolder | None:
    """Read the file of Picasa's in a folder; None: there is none, or it cannot be read."""
    for name in picasa_ini.FILES:
        file = folder.file(name, found)
        if file is None:
            continue
        try:
            read = picasa_ini.read(file, contacts)
        except FaceclusterError as error:
            found.trouble(error)
            continue
        if read.nameless:
            found.trouble(
                f"{printable(str(file))}: {many(len(read.nameless), 'contact')} without a name; give Picasa's "
                "contacts.xml too"
            )
        return read
    return None


def _of_xmp(
    photo: str, folder: _Folder, embedded: _Lazy, found: _Found, ours: Mapping[str, Tags]
) -> Iterator[tuple[SaidName, ...]]:
    """Read the XMP of a photo: the two sidecars that there may be, then what is in the photo."""
    name = os.path.basename(photo)
    stem, ending = os.path.splitext(name)
    sidecars = [folder.file(f"{name}.xmp", found)]
    n = folder.n_called(stem, ending)
    if n == 1:
        sidecars.append(folder.file(f"{stem}.xmp", found))
    elif n and (alone := folder.file(f"{stem}.xmp", found)) is not None:
        found.trouble(f"{printable(str(alone))}: of which photo it is its name does not say; not read")
    for file in sidecars:
        if file is not None:
            try:
                data = read_bounded(file)
                yield _names_in(data, str(file), ours.get(str(file), NOTHING))
            except FaceclusterError as error:
                found.trouble(_with_file(error, str(file)))
    try:
        packet = embedded.get().xmp
        if packet:
            yield _names_in(packet, photo, ours.get(photo, NOTHING))
    except FaceclusterError as error:
        found.trouble(_with_file(error, photo))


def _with_file(error: FaceclusterError, file: str) -> str:
    """Give a message that names its file."""
    shown = printable(file)
    return str(error) if shown in str(error) else f"{shown}: its XMP: {error}"


def _names_in(data: bytes, file: str, ours: Tags) -> tuple[SaidName, ...]:
    """Read the names in XMP but for those that are ours.

    Raises:
        FaceclusterError: it cannot be read.
    """
    left = data if ours == NOTHING else xmp_write.remove(data, ours)
    if left is None:
        return ()
    metadata = xmp.read(left)
    names = [
        SaidName(name, region.box, "stored", "xmp", file)
        for region in metadata.regions
        if region.type in ("Face", None) and (name := clean_name(region.name)) is not None
    ]
    below = (path[-1] for path in metadata.hierarchical if len(path) > 1 and fold(path[0]) == _PEOPLE)
    loose = (clean_name(text) for text in (*metadata.persons, *below))
    return (*names, *(SaidName(name, None, None, "xmp", file) for name in loose if name is not None))


def _of_json(
    photo: str, folder: _Folder, origins: Collection[Origin], found: _Found
) -> Iterator[tuple[SaidName, ...]]:
    """Read the JSON beside a photo: Takeout's, or osxphotos', which may be called the same."""
    name = os.path.basename(photo)
    named = dict.fromkeys(filter(None, (folder.takeout.json_of(name), f"{name}.json")))
    for file in dict.fromkeys(filter(None, (folder.file(one, found) for one in named))):
        try:
            data = read_bounded(file)
            told = load_json(data, str(file))
            if isinstance(told, list) or (isinstance(told, dict) and not _OF_APPLE.isdisjoint(_tags(told))):
                if "osxphotos" in origins:
                    records = osxphotos_json.parse(data, str(file))
                    yield from (_apple_names(one, photo) for one in records if len(records) == 1)
            elif "takeout" in origins:
                yield takeout.parse(data, str(file)).names
        except FaceclusterError as error:
            found.trouble(error)


def _tags(record: Mapping[str, object]) -> set[str]:
    return {key.rpartition(":")[2] for key in record}


def _of_apple(
    given: Sequence[tuple[Path, Sequence[ApplePhoto]]], photos: Sequence[str], found: _Found
) -> dict[str, list[tuple[SaidName, ...]]]:
    """Say which photos the records of osxphotos are of.

    The path tells, then the id that Apple Photos gives a file for a name, then the name before the import, where only
    one photo and one record have it.
    """
    there = set(photos)
    by_stem, by_name = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for photo in dict.fromkeys(photos):
        stem, ending = os.path.splitext(os.path.basename(photo))
        by_stem[fold(stem)].append(photo)
        by_name[fold(stem.removesuffix(_EDITED) + ending)].append(photo)
    told: dict[str, list[tuple[SaidName, ...]]] = {}
    for file, records in given:
        alike = Counter(fold(record.original_name) for record in records if record.original_name)
        n_unsure = 0
        for record in records:
            if not record.names:
                continue
            paths = [
                path
                for text in (record.path, record.path_edited)
                if text is not None and (path := os.path.normpath(file.parent.absolute() / text)) in there
            ]
            paths = paths or (by_stem.get(fold(record.uuid), []) if record.uuid else [])
            if not paths and record.original_name:
                paths = by_name.get(fold(record.original_name), [])
                both = {os.path.splitext(path)[0].endswith(_EDITED) for path in paths}
                if alike[fold(record.original_name)] > 1 or len(both) < len(paths):
                    n_unsure += bool(paths)
                    continue
            for path in paths:
                told.setdefault(path, []).append(_apple_names(record, path))
        if n_unsure:
            found.trouble(
                f"{printable(str(file))}: {many(n_unsure, 'photo')} in it may be several of these by name; left out"
            )
    return told


def _apple_names(record: ApplePhoto, photo: str) -> tuple[SaidName, ...]:
    """Give the names of a record of osxphotos. Boxes of an edited photo are those of its edited version."""
    edited = record.path_edited is not None and os.path.basename(record.path_edited) == os.path.basename(
        photo
    )
    if record.edited and not edited and not os.path.splitext(photo)[0].endswith(_EDITED):
        return tuple(replace(one, box=None, picture=None, origin="osxphotos") for one in record.names)
    return tuple(replace(one, origin="osxphotos") for one in record.names)
