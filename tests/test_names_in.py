"""Who is in a photo, as Picasa, Google Takeout and osxphotos have it; and when it was taken.

All files here are made up, from the published layouts that the readers name.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from facecluster.errors import FaceclusterError
from facecluster.formats import osxphotos_json, picasa_ini, said_names, takeout
from facecluster.formats.dates import Taken, when_taken
from facecluster.formats.said_names import SaidName, box_in_picture, clean_name, number_of, read_bounded
from facecluster.formats.takeout import Folder, json_of

ANNA, BO = "b8e4117cf1d6615b", "0123456789abcde"
"""Ids of contacts; the second lacks a zero in front, as Picasa leaves it out."""


# ------------------------------------------------------------------------------------------------- what they share


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Anna Berg", "Anna Berg"),
        ("  Anna \t Berg\n", "Anna Berg"),
        ("Anna\x07\x1b[31m Berg", "Anna[31m Berg"),
        ("\u202eAnna\u2066 \ufeffBerg", "Anna Berg"),
        ("Anna\ud800 Berg", "Anna Berg"),
        ("Zoe\u0301", "Zo\u00e9"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("A" * 200, "A" * 200),
        ("A" * 201, "A" * 201),  # which is told, and left out
        ("", None),
        (" \x00 \u200d\ufe0f", None),
        ("\ufe0f \ufe0f", None),
        ("\u200dAnna\u200c", "Anna"),
        (None, None),
        (7, None),
        (["Anna"], None),
    ],
)
def test_a_name_is_one_that_could_be_typed(text: object, name: str | None) -> None:
    assert clean_name(text) == name


def test_a_text_of_millions_of_letters_takes_no_time() -> None:
    start = time.process_time()
    assert clean_name("\x07" * 4_000_000) is None
    assert time.process_time() - start < 0.5


def test_a_clean_name_stays_as_it_is() -> None:
    letters = random.Random(5)
    for _ in range(300):
        made = clean_name("".join(chr(letters.randrange(1, 0x2FFF)) for _ in range(12)))
        assert made is None or clean_name(made) == made


@pytest.mark.parametrize(
    ("sides", "box"),
    [
        ((0.1, 0.2, 0.3, 0.4), (0.1, 0.2, 0.3, 0.4)),
        ((-0.5, 0, 0.5, 2), (0, 0, 0.5, 1)),
        (("0.1", 0, "0.5", 1), (0.1, 0, 0.5, 1)),
        ((0.3, 0.2, 0.3, 0.4), None),
        ((0.5, 0, 0.4, 1), None),
        ((2, 0, 3, 1), None),
        ((float("nan"), 0, 1, 1), None),
        ((0, 0, float("inf"), 1), None),
        ((0, 0, 10**400, 1), None),
        ((0, 0, True, 1), None),
        ((0, 0, None, 1), None),
        ((0, 0, [1], 1), None),
    ],
)
def test_a_box_lies_in_its_picture(sides: tuple[Any, Any, Any, Any], box: said_names.Box | None) -> None:
    assert box_in_picture(*sides) == box


def test_a_number_may_be_a_text_and_is_none_for_what_is_not() -> None:
    assert number_of("1600596727") == 1600596727
    assert number_of(-2) == -2
    assert [number_of(value) for value in ("", "x", "nan", "1" * 50, b"1", {})] == [None] * 6


def test_a_file_is_bounded_and_must_be_one(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"12345")
    assert read_bounded(file, 5) == b"12345"
    with pytest.raises(FaceclusterError, match=r"a\.json: has more than 1 kB"):
        read_bounded(file, 4)
    with pytest.raises(FaceclusterError, match="cannot be read"):
        read_bounded(tmp_path / "none")
    with pytest.raises(FaceclusterError, match=r"cannot be read|regular"):
        read_bounded(tmp_path)
    with pytest.raises(FaceclusterError, match="no file can be called so"):
        read_bounded(Path("a\0b"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes by name here")
def test_a_pipe_that_nobody_writes_to_does_not_hold_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".picasa.ini")
    with pytest.raises(FaceclusterError, match="no regular file"):
        picasa_ini.read(tmp_path / ".picasa.ini")


@pytest.mark.parametrize(
    "read", [picasa_ini.read, picasa_ini.read_contacts, takeout.read], ids=["ini", "contacts", "takeout"]
)
def test_a_file_of_names_has_16_mb_at_most(read: Callable[[Path], object], tmp_path: Path) -> None:
    file = tmp_path / "large"
    with file.open("wb") as opened:
        opened.truncate(said_names.LARGEST + 1)
    with pytest.raises(FaceclusterError, match="has more than 16 MB"):
        read(file)


# --------------------------------------------------------------------------------------------------------- Picasa


def ini(text: str, encoding: str = "utf-8", **contacts: str) -> picasa_ini.PicasaFolder:
    return picasa_ini.parse(text.encode(encoding), "p/.picasa.ini", contacts)


def names(photo: picasa_ini.PicasaPhoto) -> list[str]:
    return [said.name for said in photo.names]


CONTACTS = f"[Contacts2]\r\n{ANNA}=Anna Berg;anna@example.org;\r\n{BO}=Bo;;\r\n"


def test_picasa_says_whose_face_is_where() -> None:
    folder = ini(
        f"[Picasa]\r\nname=Beach\r\n{CONTACTS}"
        f"[IMG_1.jpg]\r\nstar=yes\r\nrotate=rotate(3)\r\n"
        f"faces=rect64(3f845bcb59418507),{ANNA};rect64(1000200080006000),{BO};\r\n"
        "[IMG_2.jpg]\r\nfaces=rect64(1000200080006000),ffffffffffffffff\r\n"
        "[IMG_3.jpg]\r\ncaption=none\r\n"
    )
    assert [*folder.photos] == ["IMG_1.jpg"]
    assert folder.nameless == ()
    box = (0x3F84 / 65535, 0x5BCB / 65535, 0x5941 / 65535, 0x8507 / 65535)
    photo = folder.of("IMG_1.jpg")
    assert photo.names[0] == SaidName("Anna Berg", box, "stored", "picasa", "p/.picasa.ini")
    assert names(photo) == ["Anna Berg", "Bo"]
    assert photo.turns == 3
    assert folder.of("IMG_2.jpg") == folder.of("other.jpg") == picasa_ini.PicasaPhoto()


def test_zeros_in_front_of_a_box_and_of_an_id_are_left_out() -> None:
    folder = ini(f"[Contacts2]\n0{BO}=Bo;;\n[a.jpg]\nfaces=rect64(4a8e8e6b),{BO}\n")
    (said,) = folder.of("a.jpg").names
    assert said.name == "Bo"
    assert said.box == (0, 0, 0x4A8E / 65535, 0x8E6B / 65535)


@pytest.mark.parametrize("nobody", ["ffffffffffffffff", "FFFFFFFFFFFFFFFF", "0", "0" * 16])
def test_nobody_is_nobody_even_with_a_name(nobody: str) -> None:
    folder = ini(f"[Contacts2]\n{nobody}=Unnamed;;\n[a.jpg]\nfaces=rect64(1000200080006000),{nobody}\n")
    assert not folder.photos
    assert folder.nameless == ()


def test_who_is_nobody_in_a_photo_of_somebody_is_left_out() -> None:
    faces = f"rect64(1000200080006000),{'f' * 16};rect64(8000200090006000),{ANNA};rect64(a000200090006000),0"
    assert names(ini(f"{CONTACTS}0=No;;\n{'f' * 16}=None;;\n[a.jpg]\nfaces={faces}\n").of("a.jpg")) == [
        "Anna Berg"
    ]


def test_names_of_contacts_xml_count_more_than_contacts2_and_these_more_than_contacts() -> None:
    face = f"[a.jpg]\nfaces=rect64(1000200080006000),{ANNA}\n"
    old, new = f"[Contacts]\n{ANNA}=Anna A;a@example.org;\n", f"[Contacts2]\n{ANNA}=Anna B;;\n"
    assert names(ini(old + face).of("a.jpg")) == ["Anna A"]
    assert names(ini(new + old + face).of("a.jpg")) == ["Anna B"]
    assert names(ini(new + face, **{ANNA: "Anna C"}).of("a.jpg")) == ["Anna C"]


def test_a_contact_without_a_name_is_told_unless_its_account_is_known() -> None:
    text = f"[Contacts]\n{ANNA}=joedoe_lh,cb989580bc43a91\n[a.jpg]\nfaces=rect64(1000200080006000),{ANNA}\n"
    known = ini(text, **{"0cb989580bc43a91": "Anna"})
    assert (names(known.of("a.jpg")), known.nameless) == (["Anna"], ())
    folder = ini(text)
    assert folder.nameless == (ANNA,)
    assert folder.of("a.jpg").names == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252"])
def test_names_are_read_in_each_encoding(encoding: str) -> None:
    text = f"[Contacts2]\n{ANNA}=Zoë Müller;;\n[Fête.jpg]\nfaces=rect64(1000200080006000),{ANNA}\n"
    assert names(ini(text, encoding).of("Fête.jpg")) == ["Zoë Müller"]


def test_letters_of_windows_code_page_are_read_and_what_it_lacks_too() -> None:
    text = f"[Contacts2]\n{ANNA}=Ana “A” Šimi;;\n{BO}=".encode("cp1252") + b"B\x81\xf6;;\n"
    face = f"[a.jpg]\nfaces=rect64(1000200080006000),{ANNA};rect64(1000200080006001),{BO}".encode()
    assert names(picasa_ini.parse(text + face, "f").of("a.jpg")) == ["Ana “A” Šimi", "Bö"]


def test_one_line_in_another_encoding_spoils_no_other() -> None:
    lines = [
        f"[Contacts2]\n{ANNA}=".encode()
        + "Zoë".encode()
        + b";;\n"
        + f"{BO}=".encode()
        + "Jürg".encode("latin-1"),
        f"[a.jpg]\nfaces=rect64(1000200080006000),{ANNA};rect64(1000200080006001),{BO}".encode(),
    ]
    assert names(picasa_ini.parse(b"\n".join(lines), "f").of("a.jpg")) == ["Zoë", "Jürg"]


def test_a_file_name_counts_without_its_case_and_as_it_is_first() -> None:
    face = "faces=rect64(1000200080006000),"
    folder = ini(f"{CONTACTS}[IMG.JPG]\n{face}{ANNA}\n[img.jpg]\n{face}{BO}\n[Fe\u0302te.jpg]\n{face}{BO}\n")
    assert names(folder.of("IMG.JPG")) == ["Anna Berg"]
    assert names(folder.of("img.jpg")) == ["Bo"]
    assert names(folder.of("Img.Jpg")) == ["Anna Berg", "Bo"]
    assert names(folder.of("F\u00eate.JPG")) == ["Bo"]


def test_sections_and_keys_that_are_there_twice_count_together() -> None:
    one, two = "rect64(1000200080006000)", "rect64(8000200090006000)"
    folder = ini(
        f"{CONTACTS}[a.jpg]\nFACES={one},{ANNA}\nRotate=rotate(1)\n[b.jpg]\nfaces={one},{BO}\n"
        f"[a.jpg]\nfaces={two},{ANNA}\nfaces={one},{BO}\nrotate=rotate(2)\n[contacts2]\n{ANNA}=Anna Alm;;\n"
    )
    assert names(folder.of("a.jpg")) == ["Bo", "Anna Alm"]  # who has the first box now, and the second one
    assert folder.of("a.jpg").turns == 2
    assert names(folder.of("b.jpg")) == ["Bo"]


def test_many_spellings_of_one_file_take_little_time() -> None:
    spelt = ["".join(random.Random(seed).choice("aA") for _ in range(30)) for seed in range(20_000)]
    start = time.process_time()
    folder = ini(CONTACTS + "".join(f"[{name}]\nfaces=rect64(1000200080006000),{ANNA}\n" for name in spelt))
    assert names(folder.of("a" * 30)) == ["Anna Berg"]
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    "faces",
    [
        "",
        "rect64(),1",
        f"rect64(12345678901234567),{ANNA}",
        f"rect64(xyz),{ANNA}",
        "rect64(1000200080006000)",
        "rect64(1000200080006000),",
        f"rect64(1000200080006000),{ANNA}0",
        f"rect64(8000200010006000),{ANNA}",  # no width
        f"rect64(0),{ANNA}",
        f"1000200080006000,{ANNA}",
    ],
)
def test_a_face_that_is_none_is_left_out(faces: str) -> None:
    assert ini(f"{CONTACTS}[a.jpg]\nfaces={faces}\n").of("a.jpg").names == ()


def test_sections_of_the_folder_and_of_albums_are_no_photos() -> None:
    face = f"faces=rect64(1000200080006000),{ANNA}\n"
    text = CONTACTS + "".join(f"[{name}]\n{face}" for name in ("Picasa", "encoding", ".album:0f", "photoid"))
    assert not ini(text).photos


def test_a_file_with_zeros_is_none_of_picasas() -> None:
    with pytest.raises(FaceclusterError, match=r"\.picasa\.ini: not a file of Picasa's"):
        ini("[a.jpg]\n", "utf-16")


def test_contacts_xml_names_contacts(tmp_path: Path) -> None:
    file = tmp_path / "contacts.xml"
    file.write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<contacts>\n'
        f' <contact id="{ANNA}" name="Anna &amp; Berg" display="Anna" modified_time="2012-01-01T00:00:00+01:00">\n'
        '  <subject user="joedoe_lh" id="cb989580bc43a91"/>\n </contact>\n'
        f' <contact id="{BO}" name="" display="Bo" local_contact="1"/>\n'
        ' <subject id="78"/>\n <contact id="xyz" name="No id"/>\n <contact name="None"/>\n <contact id="77"/>\n'
        ' <contact id="79"><subject id="80"/></contact>\n</contacts>\n',
        encoding="utf-8",
    )
    assert picasa_ini.read_contacts(file) == {
        ANNA: "Anna & Berg",
        "0cb989580bc43a91": "Anna & Berg",
        f"0{BO}": "Bo",
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "<contacts>",
        '<contacts><contact id="1" name="A"></contacts>',
        '<?xml version="1.0" encoding="x-none"?><contacts/>',
        '<!DOCTYPE c [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><contacts><contact id="1" name="&b;"/></contacts>',
        '<!DOCTYPE c SYSTEM "file:///etc/passwd"><contacts/>',
    ],
)
def test_a_contacts_xml_that_is_none_is_an_error_in_words(text: str) -> None:
    with pytest.raises(FaceclusterError, match=r"^c\.xml: not "):
        picasa_ini.parse_contacts(text.encode(), "c.xml")


# -------------------------------------------------------------------------------------------------- Google Takeout

PHOTO: dict[str, Any] = {
    "title": "IMG_1.jpg",
    "creationTime": {"timestamp": "1600598769", "formatted": "Sep 20, 2020, 10:46:09 AM UTC"},
    "photoTakenTime": {"timestamp": "1600596727", "formatted": "Sep 20, 2020, 10:12:07 AM UTC"},
    "geoData": {"latitude": 0.0, "longitude": 0.0},
    "people": [{"name": "Anna Berg"}, {"name": " Bo\n"}, {"name": "Anna Berg"}],
}


def test_takeout_says_who_is_in_a_photo(tmp_path: Path) -> None:
    file = tmp_path / "IMG_1.jpg.json"
    file.write_text(json.dumps(PHOTO), encoding="utf-8-sig")
    assert takeout.read(file) == takeout.TakeoutPhoto(
        title="IMG_1.jpg",
        names=tuple(SaidName(name, None, None, "takeout", str(file)) for name in ("Anna Berg", "Bo")),
        taken=1600596727,
        uploaded=1600598769,
    )


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"people": None}, []),
        ({"people": []}, []),
        ({"people": [None, 3, "Anna", {}, {"name": 5}, {"name": ""}, {"name": "A\ud800"}]}, ["A"]),
        (
            {"title": 5, "photoTakenTime": "1600596727", "creationTime": {"timestamp": None}},
            ["Anna Berg", "Bo"],
        ),
        (
            {"title": "a\0b", "photoTakenTime": {"timestamp": "1e300"}, "creationTime": []},
            ["Anna Berg", "Bo"],
        ),
    ],
)
def test_what_is_no_name_or_time_does_not_count(change: dict[str, Any], found: list[str]) -> None:
    photo = takeout.parse(json.dumps(PHOTO | change).encode(), "f")
    assert [said.name for said in photo.names] == found
    if "title" in change:
        assert (photo.title, photo.taken, photo.uploaded) == (None, None, None)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"[]", b"3", b"null", b'{"people": {}}', b'{"people": 1}', b"\xff\xfe\x00"),
        *(b'{"a": "\xff"}', b'{"people": ' + b"[" * 200_000, b'{"a": 1}x'),
    ],
)
def test_a_json_that_is_none_of_takeouts_is_an_error_in_words(data: bytes) -> None:
    with pytest.raises(FaceclusterError, match=r"^IMG\.json: "):
        takeout.parse(data, "IMG.json")


def test_a_number_of_a_million_digits_takes_no_time() -> None:
    start = time.process_time()
    takeout.parse(b'{"photoTakenTime": {"timestamp": ' + b"9" * 4_000_000 + b"}}", "f")
    assert time.process_time() - start < 1


LONG = "PXL_20230809_203449253.LONG_EXPOSURE-02.ORIGINA"
"""Of 47 letters, as Google cuts names of photos."""

BELONGS = [
    ("IMG_1.jpg", "IMG_1.jpg.json"),
    ("IMG_1.jpg", "IMG_1.jpg.supplemental-metadata.json"),
    ("IMG_1.jpg", "IMG_1.jpg.suppl.json"),  # cut elsewhere than usual
    ("IMG_1.jpg", "IMG_1.JPG.json"),  # another case
    ("Screenshot_20190317-234331.jpg", "Screenshot_20190317-234331.jpg.supplemental-me.json"),
    ("a" * 36 + "_b.jpg", "a" * 36 + "_b.jpg.sup.json"),
    ("a" * 41 + ".jpg", "a" * 41 + ".jpg..json"),
    ("a" * 42 + ".jpg", "a" * 42 + ".jpg.json"),
    ("a" * 44 + ".jpg", "a" * 44 + ".j.json"),
    (f"{LONG}.jpg", f"{LONG[:46]}.json"),
    ("IMG_1(1).jpg", "IMG_1.jpg(1).json"),
    ("IMG_1(12).jpg", "IMG_1.jpg.supplemental-metadata(12).json"),
    ("IMG_1(2).jpg", "IMG_1(2).jpg.supplemental-metadata.json"),
    ("Screenshot_20190317-234331(1).jpg", "Screenshot_20190317-234331.jpg.supplemental-me(1).json"),
    (f"{LONG}(494).jpg", f"{LONG[:46]}(494).json"),
    ("b" * 44 + "(1).jpg", "b" * 44 + ".j(1).json"),
    ("IMG_1-edited.jpg", "IMG_1.jpg.json"),
    ("IMG_1-edited(1).jpg", "IMG_1.jpg(1).json"),
    ("IMG_1(1)-edited.jpg", "IMG_1.jpg.supplemental-metadata(1).json"),
    ("IMG_1-bearbeitet.jpg", "IMG_1.jpg.supplemental-metadata.json"),
    ("IMG_1-modifié.jpg", "IMG_1.jpg.json"),
    ("IMG_1-modifie\u0301.jpg", "IMG_1.jpg.json"),
    ("IMG_1-ha editado.jpg", "IMG_1.jpg.json"),
    ("IMG_1-編集済み.jpg", "IMG_1.jpg.json"),
    ("IMG_1-COLLAGE.jpg", "IMG_1-COLLAGE.jpg.json"),
    ("c" * 43 + "-edi.jpg", "c" * 43 + ".jp.json"),  # the word is cut where the name is
    ("c" * 46 + "-.jpg", "c" * 46 + ".json"),
    (f"{LONG}(1).jpg", f"{LONG[:46]}.json"),  # an edited one, of whose word nothing is left
    ("Peanut Balls.jpg", "Peanut Balls.supplemental-metadata.json"),
    ("Peanut Balls-edited.jpg", "Peanut Balls.supplemental-metadata.json"),
    ("Peanut Balls(1).jpg", "Peanut Balls(1).json"),
    ("21.12(1).11 - 1", "21.12.11 - 1.supplemental-metadata(1).json"),
    ("\U0001f600" * 20 + ".jpg", "\U0001f600" * 20 + ".jpg.s.json"),
    ("\U0001f600" * 22 + "☺️😛.jpg", "\U0001f600" * 22 + "☺️.json"),
    ("metadata.jpg", "metadata.jpg.json"),
]

STRANGERS = [
    ("IMG_1.jpg", "IMG_2.jpg.json"),
    ("IMG_1.jpg", "IMG_1.png.json"),
    ("IMG_1.jpg", "IMG_1.jpg(1).json"),
    ("IMG_1.jpg", "IMG_1.jpg.supplemental-metadata(1).json"),
    ("IMG_1(1).jpg", "IMG_1.jpg.json"),
    ("IMG_1(1).jpg", "IMG_1.jpg(2).json"),
    ("IMG_1.jpg", "IMG_1.jpg.supplemented.json"),
    ("IMG_1.jpg", "IMG_1.jpg.xmp"),
    ("IMG_1-edi.jpg", "IMG_1.jpg.json"),  # cut, though the name is short
    ("IMG_1-painted.jpg", "IMG_1.jpg.json"),
    ("-edited.jpg", ".jpg.json"),
    (f"{LONG}.jpg", f"{LONG[:46]}(1).json"),
    (f"{LONG}.jpg", f"{LONG[:45]}.json"),
    ("metadata.jpg", "metadata.json"),  # of an album
    ("metadata(1).jpg", "metadata(1).json"),
    ("", ".json"),
]


@pytest.mark.parametrize(("photo", "json_name"), BELONGS)
def test_a_json_belongs_to_a_photo(photo: str, json_name: str) -> None:
    assert json_of(photo, [json_name, photo, "other.jpg.json"]) == json_name


@pytest.mark.parametrize(("photo", "json_name"), STRANGERS)
def test_a_json_of_another_photo_does_not(photo: str, json_name: str) -> None:
    assert json_of(photo, [photo, json_name]) is None


def test_the_json_that_fits_best_counts_in_any_order() -> None:
    faces = "\U0001f600" * 23  # 46 letters of UTF-16
    files = [
        *(f"{faces}.jpg", f"{faces}(1).jpg", f"{faces}.json", f"{faces}(1).json"),
        *("IMG_1.jpg", "IMG_1(1).jpg", "IMG_1-edited.jpg", "IMG_1-edited(1).jpg"),
        *("IMG_1.jpg.json", "IMG_1.jpg(1).json", "IMG_1.json", "IMG_1.jpg.supplemental-metadata.json"),
        *(f"{LONG}.jpg", f"{LONG}(1).jpg", f"{LONG[:46]}.json", f"{LONG[:46]}(1).json"),
    ]
    wanted = {
        "IMG_1.jpg": "IMG_1.jpg.supplemental-metadata.json",
        "IMG_1(1).jpg": "IMG_1.jpg(1).json",
        "IMG_1-edited.jpg": "IMG_1.jpg.supplemental-metadata.json",
        "IMG_1-edited(1).jpg": "IMG_1.jpg(1).json",
        f"{LONG}.jpg": f"{LONG[:46]}.json",
        f"{LONG}(1).jpg": f"{LONG[:46]}(1).json",
        f"{faces}.jpg": f"{faces}.json",
        f"{faces}(1).jpg": f"{faces}(1).json",
    }
    for seed in range(5):
        random.Random(seed).shuffle(files)
        folder = Folder(files)
        assert {photo: folder.json_of(photo) for photo in wanted} == wanted


def test_long_names_that_are_cut_to_the_same_get_no_json() -> None:
    """One of the two is `(1).json`, and no name says which."""
    one, two = f"{LONG[:46]}A.jpg", f"{LONG[:46]}B.jpg"
    jsons = [f"{LONG[:46]}.json", f"{LONG[:46]}(1).json"]
    assert json_of(one, [one, *jsons]) == jsons[0]
    assert [json_of(photo, [one, two, *jsons]) for photo in (one, two)] == [None, None]


def test_a_film_or_an_edited_copy_of_the_same_long_name_is_no_rival() -> None:
    photo, name = f"{LONG}.HEIC", f"{LONG[:46]}.json"
    assert json_of(photo, [photo, f"{LONG}.MP4", name]) == name
    photo, name = "c" * 46 + ".jpg", "c" * 46 + ".json"
    assert json_of(photo, [photo, "c" * 46 + "-.jpg", name]) == name


def test_photos_that_differ_in_case_keep_their_own() -> None:
    files = ["IMG.JPG", "img.jpg", "img.jpg.json"]
    assert json_of("img.jpg", files) == "img.jpg.json"
    assert json_of("IMG.JPG", files) is None


def test_every_photo_of_an_export_finds_its_own() -> None:
    """Names are made as Takeout makes them; each JSON belongs to one photo, and its edited copy."""
    random_ = random.Random(16)
    for added in ("", ".supplemental-metadata"):
        files, wanted = set[str](), dict[str, str]()
        for number in range(300):
            stem = f"{number:03}_" + "".join(random_.choices("abc._- é", k=random_.randrange(0, 43)))
            ending = random_.choice([".jpg", ".JPG", ".heic"])
            many = f"({random_.randrange(1, 30)})" if random_.random() < 0.3 else ""
            word = "-bearbeitet" if random_.random() < 0.3 and len(stem) > 6 else None
            told = f"{(stem + ending + added)[:46]}{many}.json"
            photos = [f"{stem[:47]}{many}{ending}"]
            if word:
                photos.append(f"{(stem + word)[:47]}{many}{ending}")
            files |= {told, *photos}
            wanted |= dict.fromkeys(photos, told)
        folder = Folder(files)
        assert {photo: folder.json_of(photo) for photo in wanted} == wanted


def test_a_folder_of_many_photos_takes_little_time() -> None:
    files = [f"IMG_{number}.jpg" for number in range(10_000)]
    start = time.process_time()
    folder = Folder([*files, *(f"{file}.supplemental-metadata.json" for file in files)])
    assert all(folder.json_of(file) for file in files)
    assert time.process_time() - start < 3


# ------------------------------------------------------------------------------------------------------- osxphotos

FACE: dict[str, Any] = {
    "name": "Anna Berg",
    "center_x": 0.25,
    "center_y": 0.75,
    "size": 0.1,
    "mwg_rs_area": {"x": 0.5, "y": 0.5, "h": 0.2, "w": 0.1},
}
APPLE: dict[str, Any] = {
    "uuid": "D79B8D77-BFFC-460B-9312-034F2877D35B",
    "original_filename": "IMG_1.HEIC",
    "path": "/p/originals/D/D79B.heic",
    "path_edited": None,
    "hasadjustments": False,
    "date": "2020-09-20T12:12:07+02:00",
    "width": 4000,
    "height": 3000,
    "persons": ["Anna Berg", "Bo", "_UNKNOWN_"],
    "faces": [FACE, {**FACE, "name": None}, {**FACE, "name": "_UNKNOWN_"}],
}
TAGS: dict[str, Any] = {
    "SourceFile": "IMG_1.jpeg",
    "File:FileName": "IMG_1.jpeg",
    "XMP:PersonInImage": ["Anna Berg", "Bo", "Cem"],
    "XMP:RegionName": ["Anna Berg", "Bo"],
    "XMP:RegionType": ["Face", "Face"],
    "XMP:RegionAreaX": [0.5, "0.2"],
    "XMP:RegionAreaY": [0.5, 0.2],
    "XMP:RegionAreaW": [0.1, 0.1],
    "XMP:RegionAreaH": [0.2, 0.2],
    "XMP:RegionAreaUnit": ["normalized", "normalized"],
}


def apple(*records: Any) -> list[osxphotos_json.ApplePhoto]:
    return osxphotos_json.parse(json.dumps(records).encode(), "q.json")


def shown(photo: osxphotos_json.ApplePhoto) -> list[tuple[str, tuple[float, ...] | None, str | None]]:
    """Its names, with boxes that can be compared."""
    return [
        (said.name, None if said.box is None else tuple(round(side, 6) for side in said.box), said.picture)
        for said in photo.names
    ]


def test_osxphotos_says_who_is_where_in_the_upright_picture(tmp_path: Path) -> None:
    file = tmp_path / "photos.json"
    file.write_text(json.dumps([APPLE]))
    (photo,) = osxphotos_json.read(file)
    # The diameter is 400 pixels: a tenth of the width. Photos counts from the bottom.
    assert shown(photo) == [
        ("Anna Berg", (0.2, round(0.25 - 200 / 3000, 6), 0.3, round(0.25 + 200 / 3000, 6)), "upright"),
        ("Bo", None, None),
    ]
    assert {said.origin for said in photo.names} == {"osxphotos"}
    assert {said.file for said in photo.names} == {str(file)}
    assert (photo.uuid, photo.original_name) == (APPLE["uuid"], "IMG_1.HEIC")
    assert (photo.path, photo.path_edited, photo.edited) == (APPLE["path"], None, False)
    assert photo.date == "2020-09-20T12:12:07+02:00"


def test_a_face_of_a_picture_of_unknown_size_is_where_mwg_has_it() -> None:
    (photo,) = apple({**APPLE, "width": None, "persons": []})
    assert shown(photo) == [("Anna Berg", (0.45, 0.4, 0.55, 0.6), "stored")]


@pytest.mark.parametrize(
    "face",
    [
        {"name": "Anna Berg"},
        {**FACE, "center_x": None, "mwg_rs_area": None},
        {**FACE, "size": 0, "mwg_rs_area": {"x": 0, "y": 0, "h": 0, "w": 0}},
        {**FACE, "size": -1, "mwg_rs_area": [1, 2]},
        {**FACE, "center_x": 7, "mwg_rs_area": {"x": "left"}},
    ],
)
def test_a_face_without_a_place_is_somewhere_in_the_photo(face: dict[str, Any]) -> None:
    (photo,) = apple({**APPLE, "faces": [face]})
    assert shown(photo) == [("Anna Berg", None, None), ("Bo", None, None)]


def test_a_photo_alone_and_one_that_was_edited_and_faces_by_their_other_name() -> None:
    record = {
        **APPLE,
        "hasadjustments": True,
        "path_edited": "/e.jpeg",
        "face_info": APPLE["faces"],
        "faces": None,
    }
    (photo,) = osxphotos_json.parse(json.dumps(record).encode(), "q.json")
    assert photo.edited
    assert photo.path_edited == "/e.jpeg"
    assert [said.box is None for said in photo.names] == [False, True]


def test_the_same_person_twice_in_a_photo_is_two_faces() -> None:
    (photo,) = apple({**APPLE, "faces": [FACE, {**FACE, "center_x": 0.6}, FACE]})
    assert [name for name, box, _ in shown(photo) if box] == ["Anna Berg", "Anna Berg"]


@pytest.mark.parametrize("grouped", [True, False])
def test_a_sidecar_of_exiftools_layout_says_who_is_where_in_the_stored_picture(grouped: bool) -> None:
    (photo,) = apple(TAGS if grouped else {key.rpartition(":")[2]: value for key, value in TAGS.items()})
    assert shown(photo) == [
        ("Anna Berg", (0.45, 0.4, 0.55, 0.6), "stored"),
        ("Bo", (0.15, 0.1, 0.25, 0.3), "stored"),
        ("Cem", None, None),
    ]
    assert {said.origin for said in photo.names} == {"xmp"}
    assert (photo.path, photo.original_name, photo.uuid) == ("IMG_1.jpeg", "IMG_1.jpeg", "")


def test_tags_of_one_value_stand_without_a_list() -> None:
    one = {key: value[0] if isinstance(value, list) else value for key, value in TAGS.items()}
    assert shown(apple(one)[0]) == [("Anna Berg", (0.45, 0.4, 0.55, 0.6), "stored")]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        # A region without a name leaves a gap: then nobody knows whose the boxes are.
        ({"XMP:RegionName": ["Bo"]}, [("Bo", None)]),
        ({"XMP:RegionAreaX": [0.5]}, [("Anna Berg", None), ("Bo", None)]),
        ({"XMP:RegionAreaUnit": ["pixel", "pixel"]}, [("Anna Berg", None), ("Bo", None)]),
        ({"XMP:RegionType": ["Pet", "BarCode"]}, []),
        ({"XMP:RegionName": [None, "_UNKNOWN_"]}, []),
        ({"XMP:RegionType": None, "XMP:RegionAreaUnit": None}, [("Anna Berg", True), ("Bo", True)]),
    ],
)
def test_regions_that_are_not_in_step_are_names_somewhere(
    change: dict[str, Any], found: list[tuple[str, bool | None]]
) -> None:
    (photo,) = apple({**TAGS, "XMP:PersonInImage": None, **change})
    assert [(name, box is not None or None) for name, box, _ in shown(photo)] == found


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not JSON"),
        (b"[", "not JSON"),
        (b"[{}", "neither persons nor tags"),
        (b'[{"uuid": "a"}', "not JSON, or cut short"),
        (b'[{"uuid": "a"} {"uuid": "b"}]', "not JSON, or cut short"),
        (b"[3]", "record 1 is no photo of osxphotos: it is no object"),
        (b'[{"uuid": "a"}, null]', "record 2 is no photo"),
        (b'[{"persons": "Anna"}]', "its persons are no list"),
        (b'[{"faces": {"name": "Anna"}}]', "its faces are no list"),
        (
            b'[{"filename": "/e/1.jpg", "exported": true, "sidecar_exiftool": false}]',
            "report .* osxphotos query",
        ),
        (b"[" * 200_000, "nested too deep"),
        (b'{"uuid": ' + b"[" * 200_000, "nested too deep"),
        (b'[{"uuid": "\xff"}]', "not JSON"),
    ],
)
def test_a_json_that_is_none_of_osxphotos_is_an_error_in_words(data: bytes, why: str) -> None:
    with pytest.raises(FaceclusterError, match=rf"^q\.json: .*{why}"):
        osxphotos_json.parse(data, "q.json")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-le"])
def test_json_is_read_in_each_of_its_encodings(encoding: str) -> None:
    text = json.dumps([{**APPLE, "persons": ["Zoë"]}], ensure_ascii=False)
    (photo,) = osxphotos_json.parse(text.encode(encoding), "q.json")
    assert [said.name for said in photo.names] == ["Anna Berg", "Zoë"]


def test_an_empty_list_and_odd_spaces_are_json_too() -> None:
    assert osxphotos_json.parse(b" [ ] ", "q") == []
    assert len(osxphotos_json.parse(b'\n[ {"uuid": "a"}\t, {"uuid": "b"} ]\n', "q")) == 2


def test_what_cannot_be_a_path_is_none_and_a_broken_letter_spoils_nobody() -> None:
    (photo,) = apple(
        {**APPLE, "path": "/a\0b", "original_filename": "\ud800", "persons": ["B\ud800o"], "faces": []}
    )
    assert (photo.path, photo.original_name) == (None, "")
    assert [said.name for said in photo.names] == ["Bo"]


def test_a_record_may_be_long_and_not_longer_than_a_file_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    long = {**APPLE, "description": "x" * 400_000}
    assert len(apple(APPLE, long, APPLE)) == 3
    monkeypatch.setattr(osxphotos_json, "LARGEST", 300_000)
    with pytest.raises(FaceclusterError, match=r"q\.json: .*more than 300 kB a photo"):
        apple(APPLE, long, APPLE)


def test_a_library_of_many_photos_takes_little_time() -> None:
    data = json.dumps([{**APPLE, "exif": {"x": ["y" * 50] * 40}}] * 2000).encode()
    start = time.process_time()
    assert len(osxphotos_json.parse(data, "q.json")) == 2000
    assert time.process_time() - start < 3


# ----------------------------------------------------------------------------------------------------------- dates


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("tags", "tag", "taken"),
    [
        ({"DateTimeOriginal": "2020:09:20 12:12:07"}, "DateTimeOriginal", at("2020-09-20T12:12:07")),
        (
            {
                "DateTimeOriginal": "2020:09:20 12:12:07\0",
                "OffsetTimeOriginal": "+01:00",
                "SubSecTimeOriginal": "25 ",
            },
            "DateTimeOriginal",
            at("2020-09-20T12:12:07.250+01:00"),
        ),
        (
            {"DateTimeOriginal": "2020-09-20T12:12:07.5+01:00", "OffsetTimeOriginal": "+09:00"},
            "DateTimeOriginal",
            at("2020-09-20T12:12:07.500+01:00"),
        ),
        (
            {
                "DateTimeOriginal": "2020:09:20 12:12:07",
                "OffsetTime": "+01:00",
                "OffsetTimeOriginal": "   :  ",
            },
            "DateTimeOriginal",
            at("2020-09-20T12:12:07"),
        ),
        (
            {
                "DateTimeDigitized": "2020:09:20 12:12:07",
                "OffsetTimeDigitized": "-03:30",
                "DateTime": "2021:01:01 01:01:01",
            },
            "DateTimeDigitized",
            at("2020-09-20T12:12:07-03:30"),
        ),
        ({"photoshop:DateCreated": "1950-07-01"}, "photoshop:DateCreated", at("1950-07-01")),
        (
            {"xmp:CreateDate": "2020-09-20T12:12Z", "exif:DateTimeOriginal": "2019"},
            "xmp:CreateDate",
            at("2020-09-20T12:12:00+00:00"),
        ),
        (
            {"exif:DateTimeOriginal": "2020-09-20T12:12:07", "photoTakenTime": "1"},
            "exif:DateTimeOriginal",
            at("2020-09-20T12:12:07"),
        ),
        (
            {"photoTakenTime": "1600596727", "DateTime": "2021:01:01 01:01:01"},
            "photoTakenTime",
            at("2020-09-20T10:12:07+00:00"),
        ),
        (
            {"photoTakenTime": -1_000_000_000},
            "photoTakenTime",
            at("1938-04-24T22:13:20+00:00"),
        ),
        (
            {"DateTime": "2021:01:01 01:01:01", "OffsetTime": "Z"},
            "DateTime",
            at("2021-01-01T01:01:01+00:00"),
        ),
    ],
)
def test_the_first_date_counts_with_its_zone(tags: dict[str, object], tag: str, taken: datetime) -> None:
    found = when_taken(tags)
    assert found is not None
    assert (found.tag, found.time, found.time.tzinfo) == (tag, taken, taken.tzinfo)
    assert found.day_only == (tag == "photoshop:DateCreated")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0000:00:00 00:00:00",
        "    :  :     :  :  ",
        "0000:01:01 00:00:00",
        "0001:01:01 00:00:00",
        "1825:12:31 23:59:59",
        "2100:01:01 00:00:00",
        "9999:12:31 23:59:59",
        "1904:01:01 00:00:00",
        "1903:12:31 19:00:00",
        "1970:01:01 00:00:00",
        "1970:01:01 01:00:00",
        "1969:12:31 16:00:00",
        "1980:01:01 00:00:00",
        "2020:13:01 00:00:00",
        "2021:02:29 00:00:00",
        "2020:09:20 24:00:00",
        "2020:09:20 12:60:00",
        "2020:09:20",  # of EXIF: no time
        "2020:09-20 12:12:07",
        "2020:09:20 12:12:07 and more",
        "\u0662020:09:20 12:12:07",
        "2020",
        "x" * 100_000,
        b"2020:09:20 12:12:07",
        20200920121207,
        None,
        ["2020:09:20 12:12:07"],
    ],
)
def test_what_is_no_date_is_passed_over(text: object) -> None:
    assert when_taken({"DateTimeOriginal": text}) is None
    later = when_taken({"DateTimeOriginal": text, "DateTime": "2021:01:01 01:01:01"})
    assert later == Taken(at("2021-01-01T01:01:01"), "DateTime")


@pytest.mark.parametrize(
    "seconds", ["0", 0, "x", "nan", 1e12, -1e15, 1e300, "9" * 400, True, None, {"timestamp": "1"}]
)
def test_a_time_of_takeouts_that_cannot_be_is_none(seconds: object) -> None:
    assert when_taken({"photoTakenTime": seconds}) is None


@pytest.mark.parametrize("offset", ["+15:00", "-23:59", "+01:99", "01:00", "CET", "+1", 60, None])
def test_a_zone_that_is_none_leaves_the_time_on_the_spot(offset: object) -> None:
    found = when_taken({"DateTimeOriginal": "2020:09:20 12:12:07", "OffsetTimeOriginal": offset})
    assert found is not None
    assert found.time == at("2020-09-20T12:12:07")


def test_new_year_of_1980_is_no_date_and_the_evening_before_is_one() -> None:
    assert when_taken({"DateTimeOriginal": "1979:12:31 23:30:00"}) is not None
    assert when_taken({"DateTimeOriginal": "1980:01:01 00:07:00"}) is None


def test_seconds_are_those_that_the_table_has() -> None:
    local = when_taken({"DateTimeOriginal": "2020:09:20 12:12:07"})
    with_zone = when_taken({"DateTimeOriginal": "2020:09:20 12:12:07", "OffsetTimeOriginal": "+02:00"})
    takeouts = when_taken({"photoTakenTime": "1600596727"})
    assert local is not None
    assert with_zone is not None
    assert takeouts is not None
    assert with_zone.seconds == takeouts.seconds == 1600596727 == local.seconds - 7200


# -------------------------------------------------------------------------------------------------- anything at all


def mutants(whole: bytes, number: int, seed: int) -> Iterator[bytes]:
    """Make files that are like one: cut short, with bytes changed, taken out, doubled, or put in from a list."""
    random_ = random.Random(seed)
    spices = [
        b"\xff",
        b"\0",
        b'"',
        b"[",
        b"]",
        b"{",
        b"}",
        b",",
        b"\\ud800",
        b"NaN",
        b"-1e999",
        b"null",
        b"<!DOCTYPE a>",
    ]
    spices += [
        b"\xed\xa0\x80",
        b"&#0;",
        b"=",
        b"rect64(",
        b"\r",
        b"9" * 50,
        b"\xef\xbb\xbf",
        b"\xe2\x80\xae",
        b"true",
    ]
    for _ in range(number):
        data = bytearray(whole)
        for _ in range(random_.choice([1, 1, 2, 5, 20])):
            at, length = random_.randrange(len(data) + 1), random_.randrange(1, 12)
            match random_.randrange(5):
                case 0:
                    data[at : at + 1] = bytes([random_.randrange(256)])
                case 1:
                    del data[at : at + length]
                case 2:
                    data[at:at] = random_.choice(spices)
                case 3:
                    data[at:at] = data[at : at + length]
                case _ if random_.random() < 0.2:
                    del data[at:]
                case _:
                    data[at : at + length] = random_.choice(spices)
        yield bytes(data)


def whole_files() -> dict[str, tuple[bytes, Callable[[bytes], list[SaidName]]]]:
    picasas = (
        f"[encoding]\r\nutf8=1\r\n{CONTACTS}[IMG_1.jpg]\r\nrotate=rotate(1)\r\n"
        f"faces=rect64(3f845bcb59418507),{ANNA};rect64(4a8e8e6b),{BO}\r\n[Contacts]\r\n77=joedoe_lh,78\r\n"
    )
    contacts = f'<contacts><contact id="{ANNA}" name="Anna &#233;"><subject id="{BO}"/></contact></contacts>'

    def of_ini(data: bytes) -> list[SaidName]:
        folder = picasa_ini.parse(data, "f")
        return [said for photo in folder.photos for said in folder.of(photo).names]

    def of_contacts(data: bytes) -> list[SaidName]:
        found = picasa_ini.parse_contacts(data, "f")
        return [SaidName(name, None, None, "picasa", "f") for name in found.values()]

    def of_osxphotos(data: bytes) -> list[SaidName]:
        return [said for photo in osxphotos_json.parse(data, "f") for said in photo.names]

    return {
        "ini": (picasas.encode(), of_ini),
        "contacts": (contacts.encode(), of_contacts),
        "takeout": (json.dumps(PHOTO).encode(), lambda data: [*takeout.parse(data, "f").names]),
        "library": (json.dumps([APPLE, APPLE]).encode(), of_osxphotos),
        "sidecar": (json.dumps([TAGS]).encode(), of_osxphotos),
    }


@pytest.mark.parametrize("kind", whole_files())
def test_a_damaged_file_gives_sound_names_or_an_error_in_words(kind: str) -> None:
    whole, parse = whole_files()[kind]
    assert parse(whole)
    read, said = 0, list[str]()
    for data in mutants(whole, 1500, seed=20):
        try:
            found = parse(data)
        except FaceclusterError as error:
            said.append(str(error))
            continue
        read += 1
        assert found == parse(data)
        for one in found:
            assert clean_name(one.name) == one.name
            assert (one.box is None) == (one.picture is None)
            assert one.box is None or box_in_picture(*one.box) == one.box
    assert read > 20
    assert len(said) > 20
    assert all(text.startswith("f: ") and text.isprintable() for text in said)


def test_names_of_files_of_any_letters_find_something_or_nothing() -> None:
    random_ = random.Random(3)
    letters = [
        "a",
        ".",
        "-",
        "(",
        "1",
        ")",
        "edited",
        "json",
        ".json",
        "supplemental",
        "é",
        "\U0001f600",
        "\ud800",
        "/",
        " ",
    ]
    for _ in range(1500):
        files = ["".join(random_.choices(letters, k=random_.randrange(0, 40))) for _ in range(4)]
        found = json_of(files[0], files)
        assert found is None or (found in files and found.lower().endswith(".json"))


def test_texts_of_any_letters_are_a_date_or_none() -> None:
    random_ = random.Random(4)
    for _ in range(3000):
        text = [*"2020:09:20 12:12:07+01:00"]
        for _ in range(random_.randrange(1, 4)):
            text[random_.randrange(len(text))] = random_.choice("0123456789:-+ TZ.\0")
        found = when_taken({"xmp:CreateDate": "".join(text), "DateTimeOriginal": "".join(text[:19])})
        if found is not None:
            assert 1826 <= found.time.year < 2100
            assert found.seconds == found.seconds
