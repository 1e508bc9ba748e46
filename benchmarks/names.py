"""Measure that names travel: into sidecars and photos and out again, to the right faces, and how long that takes.

    python benchmarks/names.py [trip] [embedded] [speed] [--number 10000] [--work FOLDER]

trip: photos of two people of seed_football129, as JPEG, PNG, HEIC, TIFF and WebP, each in all eight orientations, are
run, named and tagged; then they are run into a fresh library, which imports the names from the sidecars. Told is, for
each format and orientation, how many faces got their names, and by how many pixels the regions are off at most: in the
upright photo as facecluster reads them, and in the stored picture as exiftool does, where the box is that of a picture
that was turned (rounded to pixels). The names have letters that XML and other alphabets make difficult. exiftool and
exiv2 have to read all fields of all sidecars without a warning.

embedded: the same photos; `tag --embed` writes the names into them, exiftool then a rating, and each time they are run
again. Nothing may be analysed again, nobody be lost, no pixel differ, and no time of a file change with the first.

speed: a synthetic library of small drawn photos with two faces each and 200 named people. Every photo has a sidecar of
another program. Timed are tag, tag again, tag after one person was renamed, import into a fresh library, and import
again.

Bounds (issue 16): every name on its face, off by a pixel at most; nothing analysed again, nothing lost; 10,000 photos
tagged in some 30 s, the second time in 3 s with no file written, and imported in 30 s.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pillow_heif
from labelled import SHARED, machine
from library import state_of, write_table
from PIL import Image, ImageDraw

import facecluster as fc
from facecluster.formats import face_table
from facecluster.formats.said_names import SaidName
from facecluster.library.said import read_said
from facecluster.photos.decode import decode

FORMATS = {"JPEG": ".jpg", "PNG": ".png", "HEIC": ".heic", "TIFF": ".tif", "WebP": ".webp"}
PER_CELL = 3
"""Photos of each format and orientation."""

HEIGHT = 480
"""Pixels of the upright photos."""

STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""What makes the stored picture of an upright one, by EXIF orientation."""

NAMES = ("Anna Berg", "Jörg Ångström", "Zoë & Söhne <x>", "山田 花子", 'Abu \'l-Qasim "Q"')
N_NAMED = 200
MOST_OFF = 1.0
"""Pixels."""

OTHERS = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
 <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
   xmp:Rating="{rating}"><dc:subject><rdf:Bag><rdf:li>Lake</rdf:li></rdf:Bag></dc:subject></rdf:Description>
</rdf:RDF></x:xmpmeta>
"""
"""A sidecar of another program."""


class Made(NamedTuple):
    """A photo: format and orientation, the number of who is on the left and on the right, and where the halves meet."""

    cell: tuple[str, int]
    who: tuple[int, int]
    middle: int


def facecluster(*arguments, code=0):
    """Run a command; return seconds, standard output and standard error."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "facecluster", *map(str, arguments)],
        check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != code:
        sys.exit(f"facecluster {' '.join(map(str, arguments))}: {done.returncode}: {done.stderr}")
    return time.perf_counter() - start, done.stdout, done.stderr


def save(upright, path, orientation):
    """Save a picture so that its EXIF orientation makes it upright."""
    stored = upright.transpose(STORED[orientation]) if orientation in STORED else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x9003] = "2011:07:03 16:20:11"
    if path.suffix == ".heic":  # pillow-heif makes HEIF's own turns of the EXIF orientation of what it saves
        stored.save(path.with_suffix(".jpg"), quality=95, exif=exif)
        with Image.open(path.with_suffix(".jpg")) as photo:
            photo.save(path, quality=90, enc_params={"preset": "ultrafast"})
        path.with_suffix(".jpg").unlink()
    elif path.suffix == ".webp":
        stored.save(path, quality=95, exif=exif)
    else:
        stored.save(path, exif=exif)


def make_photos(folder):
    """Make `PER_CELL` photos of each format and orientation, of two people side by side; return them by path."""
    people = [sorted(some.glob("*")) for some in sorted((SHARED / "seed_football129").glob("person_*"))]
    longest = max(map(len, people))
    # in turn, so that all people are in many cells, and neighbours are two people
    files = [(who, some[i]) for i in range(longest) for who, some in enumerate(people) if i < len(some)]
    made = {}
    for i, (form, orientation, _) in enumerate(product(FORMATS, range(1, 9), range(PER_CELL))):
        (left, file), (right, other) = (files[(2 * i + k) % len(files)] for k in range(2))
        halves = [at_height(file), at_height(other)]
        both = Image.new("RGB", (halves[0].width + halves[1].width, HEIGHT))
        both.paste(halves[0], (0, 0))
        both.paste(halves[1], (halves[0].width, 0))
        path = folder / f"{i:03d}{FORMATS[form]}"
        save(both, path, orientation)
        made[str(path)] = Made((form, orientation), (left, right), halves[0].width)
    return made


def at_height(file):
    """Return a picture `HEIGHT` pixels high, and a whole number of two wide, as cameras make them."""
    with Image.open(file) as picture:
        width = 2 * round(picture.width * HEIGHT / picture.height / 2)
        return picture.convert("RGB").resize((width, HEIGHT))


def named_faces(library):
    """Return, by photo, the faces of named people: id, box in pixels of the upright photo, name."""
    faces = defaultdict(dict)
    for person in json.loads((library / "clusters.json").read_text(encoding="utf-8"))["people"]:
        for face in person["faces"] if person["name"] is not None else []:
            faces[face["photo"]][face["id"]] = face["box"], person["name"]
    return faces


def run_and_name(photos, library, made):
    """Run photos into a library, and name everybody."""
    _, _, said = facecluster("run", photos, "-o", library, "--link", "none", "-j", 2)
    print(f"  {said.splitlines()[0]}")
    given = Counter()
    for person in json.loads((library / "clusters.json").read_text(encoding="utf-8"))["people"]:
        places = ((made[face["photo"]], sum(face["box"][::2]) / 2) for face in person["faces"])
        who = Counter(photo.who[middle > photo.middle] for photo, middle in places)
        name = NAMES[who.most_common(1)[0][0]]
        given[name] += 1
        facecluster(
            "name", library, person["id"], name if given[name] == 1 else f"{name} {given[name]}", "-q"
        )
    print(f"  {given.total()} people named")


def sizes_of(library):
    """Return width and height of the upright photos of a library, by path."""
    photos = face_table.read(library / "faces.npz").photos
    return dict(zip(photos.path.tolist(), photos.size.tolist(), strict=True))


def in_pixels(box, size):
    """Turn a box of shares of a picture into pixels."""
    return [share * side for share, side in zip(box, (*size, *size), strict=True)]


def off(box, other):
    """Return by how many pixels two boxes differ at most."""
    return max(abs(a - b) for a, b in zip(box, other, strict=True))


def stored_box(box, size, orientation):
    """Return where a box of an upright picture is in the stored one, by turning a picture of it."""
    mask = Image.new("1", tuple(size))
    left, top, right, bottom = map(round, box)
    ImageDraw.Draw(mask).rectangle((left, top, right - 1, bottom - 1), fill=1)
    mask = mask.transpose(STORED[orientation]) if orientation in STORED else mask
    return mask.getbbox(), mask.size


def read_by_exiftool(files):
    """Return what exiftool reads of files, by path, and print its warnings."""
    told = {}
    files = [*map(str, files)]
    for start in range(0, len(files), 100):
        done = subprocess.run(
            [
                *("exiftool", "-q", "-j", "-struct", "-G1", "-validate", "-warning", "-a", "-XMP:all"),
                *files[start : start + 100],
            ],
            check=True, capture_output=True, text=True, encoding="utf-8",
        )  # fmt: skip
        told |= {record["SourceFile"]: record for record in json.loads(done.stdout)}
    return told


def regions_of_exiftool(record):
    """Return the regions that exiftool reads: name and box in shares of the stored picture, of both standards."""
    mwg, microsoft = [], []
    for region in record.get("XMP-mwg-rs:RegionInfo", {}).get("RegionList", []):
        area = {key: float(area_) for key, area_ in region["Area"].items() if key in "XYWH"}
        x, y, w, h = (area[key] for key in "XYWH")
        mwg.append((region["Name"], (x - w / 2, y - h / 2, x + w / 2, y + h / 2)))
    for region in record.get("XMP-MP:RegionInfoMP", {}).get("Regions", []):
        x, y, w, h = map(float, region["Rectangle"].split(","))
        microsoft.append((region["PersonDisplayName"], (x, y, x + w, y + h)))
    return mwg, microsoft


def check_readers(faces, made, sizes):
    """Have exiftool and exiv2 read all sidecars; return by cell how many pixels are off, and what is wrong."""
    wrong, worst = [], defaultdict(float)
    records = read_by_exiftool(f"{photo}.xmp" for photo in faces)
    for photo, named in faces.items():
        record = records[f"{photo}.xmp"]
        wrong += [f"{photo}: exiftool: {text}" for key, text in record.items() if key.endswith("Warning")]
        if not str(record.get("ExifTool:Validate", "OK")).startswith("OK"):
            wrong.append(f"{photo}: exiftool: {record['ExifTool:Validate']}")
        names = sorted({name for _, name in named.values()})
        fields = {
            "XMP-iptcExt:PersonInImage": names,
            "XMP-dc:Subject": names,
            "XMP-digiKam:TagsList": [f"People/{name}" for name in names],
            "XMP-lr:HierarchicalSubject": [f"People|{name}" for name in names],
        }
        for field, expected in fields.items():
            found = record.get(field, [])
            if sorted([found] if isinstance(found, str) else found) != expected:
                wrong.append(f"{photo}: {field} is {found}, not {expected}")
        for kind in regions_of_exiftool(record):
            left = dict(named)
            for name, box in kind:
                ranked = []
                for face, (upright, called) in left.items():
                    stored, size = stored_box(upright, sizes[photo], made[photo].cell[1])
                    if called == name:
                        ranked.append((off(in_pixels(box, size), stored), face))
                if not ranked:
                    wrong.append(f"{photo}: exiftool finds {name} once too often")
                    continue
                pixels, face = min(ranked)
                del left[face]
                worst[made[photo].cell] = max(worst[made[photo].cell], pixels)
            wrong += [f"{photo}: exiftool does not find {name}" for _, name in left.values()]
    for photo in faces:
        done = subprocess.run(
            ["exiv2", "-px", f"{photo}.xmp"], check=False, capture_output=True, text=True, encoding="utf-8"
        )
        missing = [name for _, name in faces[photo].values() if name not in done.stdout]
        if done.returncode or done.stderr.strip() or missing:
            wrong.append(f"{photo}: exiv2: {done.returncode} {done.stderr.strip()} {missing}")
    return worst, wrong


def check_import(faces, library, made, sizes):
    """Compare names and regions with what was there; return by cell faces, right ones, and pixels off."""
    found, said = named_faces(library), read_said(list(faces), ["xmp"])
    cells = defaultdict(lambda: [0, 0, 0.0])
    for photo, named in faces.items():
        cell = cells[made[photo].cell]
        regions: list[SaidName] = [one for one in said.names.get(photo, ()) if one.box is not None]
        for face, (box, name) in named.items():
            cell[0] += 1
            cell[1] += found[photo].get(face, (None, None))[1] == name
            apart = [off(in_pixels(one.box, sizes[photo]), box) for one in regions if one.name == name]
            cell[2] = max(cell[2], min(apart, default=float("inf")))
    wrongly = [
        f"{photo}: {face} is {name}, and was of nobody with a name"
        for photo, named in found.items()
        for face, (_, name) in named.items()
        if face not in faces.get(photo, {})
    ]
    return cells, wrongly


def table(cells, tell):
    """Print a table of formats and orientations."""
    print("| |" + "".join(f" {orientation} |" for orientation in range(1, 9)))
    print("|---|" + "---|" * 8)
    for form in FORMATS:
        print(f"| {form} |" + "".join(f" {tell(cells[form, number])} |" for number in range(1, 9)))


def trip(root):
    """See the module; return whether the bound is met."""
    photos, library, fresh = root / "photos", root / "people", root / "fresh"
    photos.mkdir()
    print("round trip through sidecars")
    made = make_photos(photos)
    run_and_name(photos, library, made)
    seconds, _, _ = facecluster("tag", library)
    faces, sizes = named_faces(library), sizes_of(library)
    n = sum(map(len, faces.values()))
    print(f"  {n} faces in {len(faces)} photos tagged in {seconds:.1f} s")
    worst, wrong = check_readers(faces, made, sizes)
    facecluster("run", photos, "-o", fresh, "--link", "none", "-j", 2)
    assert not named_faces(fresh)
    facecluster("import", fresh)
    cells, wrongly = check_import(faces, fresh, made, sizes)
    print("  faces with their name of all, and pixels that a region is off at most")
    table(cells, lambda cell: f"{cell[1]}/{cell[0]}, {cell[2]:.2f}")
    print("  the same pixels, in the stored picture, as exiftool reads both regions")
    table(worst, lambda pixels: f"{pixels:.2f}")
    for line in [*wrong, *wrongly][:20]:
        print(f"  {line}")
    right, most = sum(cell[1] for cell in cells.values()), max(cell[2] for cell in cells.values())
    print(
        f"  {right} of {n} faces have their name, {len(wrongly)} have one that they had not; {most:.2f} pixels off at "
        f"most, {max(worst.values()):.2f} as exiftool reads it; {len(wrong)} complaints of exiftool and exiv2"
    )
    return right == n and not wrongly and not wrong and max(most, *worst.values()) <= MOST_OFF


def looks(made):
    """Return the digest of the decoded pixels and the times of photos, by path."""
    return {
        path: (hashlib.blake2b(decode(path).pixels).hexdigest(), os.stat(path).st_mtime_ns) for path in made
    }


def embedded(root):
    """See the module; return whether the bound is met."""
    photos, library = root / "embedded", root / "people-embedded"
    photos.mkdir()
    print("names in the photos")
    made = make_photos(photos)
    run_and_name(photos, library, made)
    faces, before = named_faces(library), looks(made)
    seconds, _, _ = facecluster("tag", library, "--embed", "--yes")
    print(f"  {len(faces)} photos tagged in {seconds:.1f} s; {len(list(photos.glob('*.xmp')))} sidecars")
    ok = not list(photos.glob("*.xmp"))
    after = looks(made)
    changed = sum(before[path][0] != after[path][0] for path in made)
    touched = sum(before[path][1] != after[path][1] for path in made)
    print(f"  {changed} photos whose pixels changed, {touched} whose time did")
    ok = ok and not changed and not touched
    records, names = read_by_exiftool(faces), 0
    for photo, named in faces.items():
        expected = sorted(name for _, name in named.values())
        mwg, microsoft = regions_of_exiftool(records[photo])
        names += sorted(name for name, _ in mwg) == expected == sorted(name for name, _ in microsoft)
    print(f"  exiftool finds all names in {names} of {len(faces)} photos")
    ok = ok and names == len(faces) and known(photos, library, faces, len(made), "after tag --embed")
    subprocess.run(
        ["exiftool", "-q", "-overwrite_original", "-XMP-xmp:Rating=4", "-XMP-dc:Subject+=Lake", *made],
        check=True,
    )
    ok = known(photos, library, faces, len(made), "after exiftool") and ok
    fresh = root / "fresh-embedded"
    facecluster("run", photos, "-o", fresh, "--link", "none", "-j", 2)
    facecluster("import", fresh)
    cells, wrongly = check_import(faces, fresh, made, sizes_of(library))
    print(
        "  faces with their name of all after import from the photos, and pixels that a region is off at most"
    )
    table(cells, lambda cell: f"{cell[1]}/{cell[0]}, {cell[2]:.2f}")
    facecluster("untag", library, "--embed", "--yes")
    mentioned = sum(
        any(name in json.dumps(record, ensure_ascii=False) for name in NAMES[:2])
        for record in read_by_exiftool(made).values()
    )
    kept = sum(record.get("XMP-xmp:Rating") == 4 for record in read_by_exiftool(made).values())
    print(f"  after untag {mentioned} photos have a name in them, {kept} of {len(made)} the rating")
    whole = all(cell[0] == cell[1] and cell[2] <= MOST_OFF for cell in cells.values())
    return ok and whole and not wrongly and not mentioned and kept == len(made)


def known(photos, library, faces, number, when):
    """Run again; say whether nothing was analysed and nobody lost."""
    _, _, said = facecluster("run", photos, "-o", library, "--link", "none", "-j", 2)
    analysed = f", {number} known from before" not in said.splitlines()[0]
    same = named_faces(library) == faces
    print(f"  {when}: {said.splitlines()[0]}; {'the same' if same else 'OTHER'} faces and names")
    return same and not analysed


def speed(root, number):
    """See the module; return whether the bounds are met."""
    pictures, library, fresh = root / "pictures", root / "large", root / "large-fresh"
    for folder in (pictures, library, fresh):
        folder.mkdir()
    print(f"{number:,} photos")
    write_table(library / "faces.npz", pictures, 2 * number, N_NAMED, draw=True, per_photo=2)
    (fresh / "faces.npz").write_bytes((library / "faces.npz").read_bytes())
    for i, path in enumerate(sorted(pictures.iterdir())):
        path.with_name(f"{path.name}.xmp").write_text(OTHERS.format(rating=i % 6), encoding="utf-8")
    for some in (library, fresh):
        facecluster("cluster", some / "faces.npz", "-o", some, "--link", "none", "-q")
    with fc.open(library) as opened:
        for i, person in enumerate(opened.show()):
            opened.name(person.id, f"Name {i:03d}")
    faces = named_faces(library)
    print(f"  {sum(map(len, faces.values())):,} faces of {len(opened_names(library))} named people")
    before = state_of(pictures)
    work = sum(os.times()[2:4])
    first, _, _ = facecluster("tag", library)
    work = sum(os.times()[2:4]) - work
    tagged = state_of(pictures)
    print(f"  tag {first:.1f} s, {work:.1f} s of work, {changes(before, tagged):,} files written")
    second, _, _ = facecluster("tag", library)
    again = changes(tagged, state_of(pictures))
    print(f"  tag again {second:.2f} s, {again} files written")
    facecluster("name", library, "Name 007", "James Bond", "-q")
    renamed, _, _ = facecluster("tag", library)
    expected = sum(any(name == "Name 007" for _, name in named.values()) for named in faces.values())
    print(
        f"  tag after a name was changed {renamed:.2f} s, {changes(tagged, state_of(pictures))} files written, "
        f"{expected} photos show that person"
    )
    third, _, _ = facecluster("import", fresh)
    found = named_faces(fresh)
    right = sum(
        found[photo].get(face, (None, None))[1] == ("James Bond" if name == "Name 007" else name)
        for photo, named in faces.items()
        for face, (_, name) in named.items()
    )
    print(f"  import {third:.1f} s, {right:,} faces have their name")
    lines = (fresh / "decisions.jsonl").read_bytes()
    fourth, _, _ = facecluster("import", fresh)
    same = (fresh / "decisions.jsonl").read_bytes() == lines
    print(f"  import again {fourth:.1f} s, {'no decision' if same else 'MORE DECISIONS'} written")
    kept = sum(
        f'xmp:Rating="{i % 6}"' in path.with_name(f"{path.name}.xmp").read_text(encoding="utf-8")
        for i, path in enumerate(sorted(pictures.glob("*.jpg")))
    )
    print(f"  {kept:,} sidecars have the rating that was in them")
    return (
        first <= 30 and second <= 3 and again == 0 and third <= 30 and same
        and right == sum(map(len, faces.values())) and kept == number
    )  # fmt: skip


def opened_names(library):
    """Return the names in a library."""
    return {name for named in named_faces(library).values() for _, name in named.values()}


def changes(before, after):
    """Return how many files are new, gone, or other ones."""
    return sum(before.get(name) != after.get(name) for name in before.keys() | after.keys())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="trip|embedded|speed")
    parser.add_argument("--number", type=int, default=10_000, help="photos of speed")
    parser.add_argument("--work", type=Path)
    arguments = parser.parse_args()
    pillow_heif.register_heif_opener()
    print(machine())
    met = True
    with tempfile.TemporaryDirectory(prefix="facecluster-", dir=arguments.work) as name:
        root = Path(os.path.realpath(name))
        for part in arguments.parts or ("trip", "embedded", "speed"):
            fine = (
                speed(root, arguments.number)
                if part == "speed"
                else {"trip": trip, "embedded": embedded}[part](root)
            )
            print(f"{part}: bound {'met' if fine else 'MISSED'}", flush=True)
            met = met and fine
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
