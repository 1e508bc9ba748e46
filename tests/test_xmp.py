from __future__ import annotations

import codecs
import json
import random
import re
import shutil
import subprocess
import time
import tracemalloc
from pathlib import Path

import pytest
from PIL import Image, ImageOps
from xmp_files import DIGIKAM, LAYOUTS, LIGHTROOM, OSXPHOTOS, PICASA, RDF, WINDOWS, rectangle, regions, xmp

from facecluster.errors import FaceclusterError
from facecluster.formats import xmp_tree
from facecluster.formats.xmp import Metadata, Region, read, stored, upright
from facecluster.formats.xmp_write import FIELDS, NOTHING, Marked, Merged, Tags, merge, remove, tags

ANNA = Marked("Anna Berg", (0.1, 0.2, 0.3, 0.4))
BO = Marked("Bo & <Co>", (0.5, 0.25, 0.75, 0.5))
SIZE = (4000, 3000)
BOTH = tags([ANNA, BO], ["Cleo Ümit"], SIZE)


def only_region(data: bytes) -> Region:
    (region,) = read(data).regions
    return region


def near(box: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return box == pytest.approx(other, abs=1.1e-6)


# Layouts of other programs


def test_digikam_is_read() -> None:
    found = read(DIGIKAM.encode())
    box = (0.1875, 0.375, 0.3125, 0.625)
    assert found.regions == (
        Region("Ines Krüger", "mwg", box, "Face", SIZE),
        Region("Ines Krüger", "microsoft", box, "Face", None),
    )
    assert found.keywords == ("Ines Krüger", "Lake")
    assert found.hierarchical == (("People", "Ines Krüger"), ("Places", "Lake"))
    assert found.dates == (
        ("exif:DateTimeOriginal", "2011-07-03T16:20:11"),
        ("xmp:CreateDate", "2011-07-03T16:20:12"),
    )
    assert found.persons == ()
    assert found.remarks == ()


def test_lightroom_is_read() -> None:
    found = read(LIGHTROOM.encode())
    assert found.regions == (
        Region("Milo Sand", "mwg", (0.4375, 0.125, 0.5625, 0.375), "Face", (6000, 4000)),
        Region(None, "mwg", (0.6875, 0.125, 0.8125, 0.375), "Face", (6000, 4000)),
    )
    assert found.hierarchical == (("Family", "Cousins", "Milo Sand"),)
    assert found.dates == (("photoshop:DateCreated", "2019-05-04T10:11:12.34"),)


def test_picasa_is_read() -> None:
    box = (0.375, 0.375, 0.625, 0.625)
    assert read(PICASA.encode()).regions == (Region("Otto & Söhne", "mwg", box, "Face", (2592, 1944)),)


def test_immich_is_read() -> None:
    found = read(LAYOUTS["immich"].encode())
    assert found.regions == (Region("Noor", "mwg", (0.25, 0.5, 0.5, 0.75), "Face", SIZE),)
    assert found.hierarchical == (("Trips", "North Sea"),)
    assert found.dates == (("exif:DateTimeOriginal", "2023-08-01T09:10:11.000+02:00"),)


def test_windows_photo_gallery_is_read_with_people_who_have_no_place() -> None:
    found = read(WINDOWS.encode())
    assert found.regions == (Region("Carla Roy", "microsoft", (0.25, 0.125, 0.5, 0.625), "Face", None),)
    assert found.persons == ("Uncle Ben",)
    assert found.keywords == ("Beach",)
    assert found.remarks == ()


def test_osxphotos_is_read_with_a_circle() -> None:
    """Its diameter is half of the shorter side, the width."""
    found = read(OSXPHOTOS.encode())
    assert [region.box for region in found.regions] == [(0.25, 0.125, 0.75, 0.375)] * 2
    assert found.persons == ("Tove",)
    assert found.keywords == ("Summer", "Tove")


# Places


@pytest.mark.parametrize(
    ("area", "box"),
    [
        ('stArea:x="0.5" stArea:y="0.5" stArea:w="0.25" stArea:h="0.5"', (0.375, 0.25, 0.625, 0.75)),
        ('stArea:x="0,5" stArea:y=",5" stArea:w="25e-2" stArea:h="0,50"', (0.375, 0.25, 0.625, 0.75)),
        (
            'stArea:x="2000" stArea:y="1500" stArea:w="1000" stArea:h="1500" stArea:unit="pixel"',
            (0.375, 0.25, 0.625, 0.75),
        ),
        ('stArea:x="2000" stArea:y="1500" stArea:w="1000" stArea:h="1500"', (0.375, 0.25, 0.625, 0.75)),
        ('stArea:x="2000" stArea:y="1500" stArea:d="1000" stArea:unit="pixel"', (0.375, 1 / 3, 0.625, 2 / 3)),
        (
            'stArea:x="0.5" stArea:y="0.5" stArea:d="0.5" stArea:unit="normalized"',
            (0.3125, 0.25, 0.6875, 0.75),
        ),
        ('stArea:x="1.0001" stArea:y="0.5" stArea:w="0.5" stArea:h="0.5"', (0.7501, 0.25, 1, 0.75)),
    ],
)
def test_an_area_is_read(area: str, box: tuple[float, ...]) -> None:
    assert only_region(regions(area)).box == pytest.approx(box, abs=1e-9)


@pytest.mark.parametrize(
    ("area", "size", "why"),
    [
        ("", None, "no place"),
        ('stArea:x="0.5" stArea:y="0.5" stArea:w="0.5"', None, "no place"),
        ('stArea:x="nan" stArea:y="0.5" stArea:w="0.5" stArea:h="0.5"', None, "no place"),
        ('stArea:x="0.5" stArea:y="0.5" stArea:w="inf" stArea:h="0.5"', None, "no place"),
        ('stArea:x="0.5" stArea:y="0.5" stArea:w="1e999" stArea:h="0.5"', None, "no place"),
        ('stArea:x="٠" stArea:y="0.5" stArea:w="0.5" stArea:h="0.5"', None, "no place"),
        (f'stArea:x="0.{"5" * 99}" stArea:y="0.5" stArea:w="0.5" stArea:h="0.5"', None, "no place"),
        ('stArea:x="0.5" stArea:y="0.5" stArea:w="-0.5" stArea:h="0.5"', None, "no extent"),
        ('stArea:x="0.5" stArea:y="0.5" stArea:w="0" stArea:h="0.5"', None, "no extent"),
        ('stArea:x="1.5" stArea:y="0.5" stArea:w="0.5" stArea:h="0.5"', None, "no extent"),
        ('stArea:x="-1e30" stArea:y="0.5" stArea:w="0.5" stArea:h="0.5"', None, "no extent"),
        ('stArea:x="200" stArea:y="150" stArea:w="10" stArea:h="10"', "", "size is not told"),
        (
            'stArea:x="200" stArea:y="150" stArea:w="10" stArea:h="10" stArea:unit="pixel"',
            'stDim:w="0" stDim:h="nan"',
            "size is not told",
        ),
        (
            'stArea:x="200" stArea:y="150" stArea:w="10" stArea:h="10" stArea:unit="pixel"',
            'stDim:w="4" stDim:h="3" stDim:unit="inch"',
            "size is not told",
        ),
    ],
)
def test_an_area_that_is_none_leaves_its_name_and_a_remark(area: str, size: str | None, why: str) -> None:
    found = read(regions(area) if size is None else regions(area, size))
    assert found.regions == ()
    assert found.persons == ("Ada",)
    (remark,) = found.remarks
    assert why in remark
    assert "'Ada'" in remark


def test_an_area_that_is_partly_outside_is_cut_with_a_remark() -> None:
    found = read(regions('stArea:x="0" stArea:y="0.5" stArea:w="0.5" stArea:h="1.5"'))
    assert found.regions[0].box == (0, 0, 0.25, 1)
    assert found.remarks == ("region 'Ada' lay partly outside, and was cut at the edge",)


def test_a_place_of_something_else_is_no_person() -> None:
    found = read(
        xmp(
            '<mwg-rs:Regions><rdf:Description><mwg-rs:RegionList><rdf:Seq><rdf:li mwg-rs:Name="12" '
            'mwg-rs:Type="BarCode"/></rdf:Seq></mwg-rs:RegionList></rdf:Description></mwg-rs:Regions>'
        )
    )
    assert found.persons == ()
    assert "left out" in found.remarks[0]


def test_many_remarks_are_counted() -> None:
    item = '<rdf:li rdf:parseType="Resource"/>'
    found = read(
        xmp(
            '<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList><rdf:Bag>'
            f"{item * 1000}</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
        )
    )
    assert len(found.remarks) == 21
    assert found.remarks[-1] == "980 more regions left out or cut"


@pytest.mark.parametrize(
    "text",
    ["0.25, 0.125, 0.5, 0.75", "0.25,0.125,0.5,0.75", "0,25, 0,125, 0,5, 0,75", "0,25;0,125;0,5;0,75",
     "0,25,0,125,0,5,0,75", " 0.25 0.125 0.5 0.75 ", "\n0.25, 0.125,\n0.5, 0.75"],
)  # fmt: skip
def test_a_rectangle_is_read(text: str) -> None:
    assert only_region(rectangle(text)).box == (0.25, 0.125, 0.75, 0.875)


@pytest.mark.parametrize(
    "text", ["1", "a, b, c, d", "0.1, 0.2, 0.3", "nan, 0, 1, 1", "0, 0, 0, 1", "," * 9, "0, " * 9999]
)
def test_a_rectangle_that_is_none_leaves_its_name(text: str) -> None:
    found = read(rectangle(text))
    assert found.regions == ()
    assert found.persons == ("Ada",)
    assert len(found.remarks) == 1


def test_properties_mean_the_same_however_they_are_written() -> None:
    name = "<mwg-rs:Name>Ada</mwg-rs:Name>"
    area = '<mwg-rs:Area stArea:x="0.5" stArea:y="0.5" stArea:w="0.5" stArea:h="0.5"/>'
    inner = (
        "<stArea:x>0.5</stArea:x><stArea:y>0.5</stArea:y><stArea:w>0.5</stArea:w><stArea:h> 0.5\n</stArea:h>"
    )
    resource = f'<mwg-rs:Area rdf:parseType="Resource">{inner}</mwg-rs:Area>'
    nested = f"<mwg-rs:Area><rdf:Description>{inner}</rdf:Description></mwg-rs:Area>"
    in_languages = '<mwg-rs:Name><rdf:Alt><rdf:li xml:lang="x-default">Ada</rdf:li></rdf:Alt></mwg-rs:Name>'
    valued = '<mwg-rs:Name rdf:parseType="Resource"><rdf:value>Ada</rdf:value></mwg-rs:Name>'
    items = [
        f'<rdf:li rdf:parseType="Resource">{name}{area}</rdf:li>',
        f"<rdf:li><rdf:Description>{name}{area}</rdf:Description></rdf:li>",
        f'<rdf:li><rdf:Description mwg-rs:Name="Ada">{area}</rdf:Description></rdf:li>',
        f'<rdf:li mwg-rs:Name="Ada">{area}</rdf:li>',
        f'<rdf:li rdf:parseType="Resource" mwg-rs:Name="Ada">{resource}</rdf:li>',
        f"<rdf:li><rdf:Description>{name}{nested}</rdf:Description></rdf:li>",
        area.replace("mwg-rs:Area", 'rdf:li rdf:parseType="Resource" mwg-rs:Title="Ada"'),
        f'<rdf:li rdf:parseType="Resource">{in_languages}{area}</rdf:li>',
        f'<rdf:li rdf:parseType="Resource">{valued}{area}</rdf:li>',
        f"<rdf:li rdf:parseType='Resource'><mwg-rs:Name><![CDATA[Ada]]></mwg-rs:Name><!-- Eve -->{area}</rdf:li>",
    ]
    for array in ("Bag", "Seq", "Alt"):
        for item in items:
            listed = f"<mwg-rs:RegionList><rdf:{array}>{item}</rdf:{array}></mwg-rs:RegionList>"
            for whole in (
                f'<mwg-rs:Regions rdf:parseType="Resource">{listed}</mwg-rs:Regions>',
                f"<mwg-rs:Regions><rdf:Description>{listed}</rdf:Description></mwg-rs:Regions>",
            ):
                assert only_region(xmp(whole)) == Region(
                    "Ada", "mwg", (0.25, 0.25, 0.75, 0.75), None, None
                ), item


def test_prefixes_are_only_prefixes() -> None:
    swapped = (
        DIGIKAM.replace("mwg-rs:", "stArea_:").replace("stArea:", "mwg-rs:").replace("stArea_:", "stArea:")
    )
    swapped = swapped.replace("xmlns:mwg-rs=", "xmlns:_=").replace("xmlns:stArea=", "xmlns:mwg-rs=")
    swapped = (
        swapped.replace("xmlns:_=", "xmlns:stArea=").replace("rdf:", "r:").replace("xmlns:rdf", "xmlns:r")
    )
    assert 'xmlns:mwg-rs="http://ns.adobe.com/xmp/sType/Area#"' in swapped
    assert read(swapped.encode()) == read(DIGIKAM.encode())


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_turn_as_pixels_do(orientation: int) -> None:
    """A box is painted into a stored picture, which Pillow turns upright."""
    width, height, box = 16, 8, (2, 1, 6, 4)
    image = Image.new("L", (width, height))
    image.paste(255, box)
    image.getexif()[0x0112] = orientation
    shown = ImageOps.exif_transpose(image)
    left, top, right, bottom = shown.getbbox()
    expected = (left / shown.width, top / shown.height, right / shown.width, bottom / shown.height)
    in_stored = (box[0] / width, box[1] / height, box[2] / width, box[3] / height)
    assert upright(in_stored, orientation) == expected
    assert stored(expected, orientation) == in_stored


@pytest.mark.parametrize("orientation", [*range(1, 9), 0, 9, -1])
def test_turning_back_is_exact(orientation: int) -> None:
    rng = random.Random(orientation)
    for _ in range(200):
        x, y = (sorted(rng.sample(range(1025), 2)) for _ in "xy")
        box = (x[0] / 1024, y[0] / 1024, x[1] / 1024, y[1] / 1024)
        assert stored(upright(box, orientation), orientation) == box
        assert upright(stored(box, orientation), orientation) == box


# Writing


def test_what_is_written_is_read() -> None:
    merged = merge(None, BOTH)
    assert merged.written == BOTH
    assert merged.remarks == ()
    assert merged.data is not None
    found = read(merged.data)
    assert [(region.kind, region.name, region.type) for region in found.regions] == [
        ("mwg", "Anna Berg", "Face"),
        ("mwg", "Bo & <Co>", "Face"),
        ("microsoft", "Anna Berg", "Face"),
        ("microsoft", "Bo & <Co>", "Face"),
    ]
    for region, marked in zip(found.regions, [ANNA, BO] * 2, strict=True):
        assert near(region.box, marked.box)
    assert found.regions[0].applied == SIZE
    assert found.persons == found.keywords == ("Anna Berg", "Bo & <Co>", "Cleo Ümit")
    assert found.hierarchical == (("People", "Anna Berg"), ("People", "Bo & <Co>"), ("People", "Cleo Ümit"))
    assert found.remarks == ()
    assert b"Orientation" not in merged.data


def written(data: bytes | None, wanted: Tags, before: Tags = NOTHING) -> Merged:
    """Merge, and make sure that doing so again changes nothing, and that what is told as ours goes again."""
    merged = merge(data, wanted, before)
    again = merge(merged.data, wanted, merged.written)
    assert again.data is merged.data
    assert again.written == merged.written
    assert merge(merged.data, wanted).data is merged.data
    return merged


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_others_lose_nothing_and_untag_gives_every_byte_back(name: str, encoding: str) -> None:
    data = LAYOUTS[name].replace('<?xml version="1.0" encoding="UTF-8"?>\n', "").encode(encoding)
    before = read(data)
    merged = written(data, BOTH)
    assert merged.data is not None
    after = read(merged.data)
    assert [region for region in after.regions if region.name not in ("Anna Berg", "Bo & <Co>")] == list(
        before.regions
    )
    assert len(after.regions) == len(before.regions) + 4
    assert after.dates == before.dates
    assert set(before.keywords) < set(after.keywords)
    assert set(before.hierarchical) < set(after.hierarchical)
    assert set(after.persons) == {*before.persons, "Anna Berg", "Bo & <Co>", "Cleo Ümit"}
    assert remove(merged.data, merged.written) == data
    one = written(merged.data, tags([ANNA], [], SIZE), merged.written)
    assert one.data is not None
    assert remove(one.data, one.written) == data
    assert one.data.decode(encoding).count("Bo &amp; ") == 0
    assert remove(data, NOTHING) is data


def lines_lost(before: str, after: str) -> list[str]:
    kept = iter(after.splitlines())
    return [line for line in before.splitlines() if line not in kept]


@pytest.mark.parametrize("name", ["digikam", "lightroom", "immich", "osxphotos"])
def test_every_line_of_others_stays_in_its_place(name: str) -> None:
    data = merge(LAYOUTS[name].encode(), BOTH).data
    assert data is not None
    assert lines_lost(LAYOUTS[name], data.decode()) == []


def test_what_is_there_is_not_doubled_and_not_taken_out() -> None:
    """The same person, marked by digiKam at nearly the same place."""
    data = DIGIKAM.encode()
    wanted = tags([Marked("Ines Krüger", (0.19, 0.36, 0.31, 0.63))], [], SIZE, FIELDS - {"persons"})
    merged = merge(data, wanted)
    assert merged.data is data
    assert merged.written == NOTHING
    elsewhere = tags([Marked("Ines Krüger", (0.6, 0.36, 0.8, 0.63))], [], SIZE)
    merged = written(data, elsewhere)
    assert merged.written == Tags(mwg=elsewhere.mwg, microsoft=elsewhere.microsoft, persons=("Ines Krüger",))
    assert remove(merged.data or b"", merged.written) == data


def test_names_are_the_same_however_their_accents_are_written() -> None:
    data = xmp("<dc:subject><rdf:Bag><rdf:li>rene\u0301</rdf:li></rdf:Bag></dc:subject>")
    assert merge(data, Tags(subject=("René",))).data is data


def test_a_person_is_renamed_moved_and_forgotten() -> None:
    first = written(None, BOTH)
    renamed = written(
        first.data, tags([Marked("Anna Lund", ANNA.box), BO], ["Cleo Ümit"], SIZE), first.written
    )
    assert renamed.data is not None
    assert b"Anna Berg" not in renamed.data
    assert renamed.data.count(b"Anna Lund") == 6
    moved = Marked("Anna Lund", (0.11, 0.2, 0.31, 0.4))
    shifted = written(renamed.data, tags([moved, BO], ["Cleo Ümit"], SIZE), renamed.written)
    assert shifted.data is not None
    boxes = [region.box for region in read(shifted.data).regions if region.name == "Anna Lund"]
    assert len(boxes) == 2
    assert all(near(box, moved.box) for box in boxes)
    forgotten = written(shifted.data, tags([BO], [], SIZE), shifted.written)
    assert forgotten.data is not None
    assert "Lund" not in forgotten.data.decode()
    assert "Cleo" not in forgotten.data.decode()
    assert written(forgotten.data, NOTHING, forgotten.written) == Merged(None, NOTHING)


def test_the_only_person_is_renamed() -> None:
    first = merge(None, tags([ANNA], [], SIZE))
    renamed = written(first.data, tags([Marked("Eve", ANNA.box)], [], SIZE), first.written)
    assert first.data is not None
    assert renamed.data == first.data.replace(b"Anna Berg", b"Eve")


@pytest.mark.parametrize("mark", [b"</rdf:Bag>", b"<rdf:li>"])
def test_what_somebody_wrote_between_ours_stays(mark: bytes) -> None:
    first = merge(None, tags([ANNA], [], SIZE, frozenset({"subject"})))
    assert first.data is not None
    data = first.data.replace(mark, b"<!-- mine -->" + mark)
    left = remove(data, first.written)
    assert left is not None
    assert b"<!-- mine -->" in left
    assert b"Anna" not in left


def test_a_region_that_another_program_moved_is_its_own() -> None:
    first = merge(None, tags([ANNA], [], SIZE))
    assert first.data is not None
    data = first.data.replace(b"<stArea:x>0.200000<", b"<stArea:x>0.250000<")
    left = remove(data, first.written)
    assert left is not None
    assert [region.name for region in read(left).regions] == ["Anna Berg"]
    assert read(left).persons == ()


def test_a_region_whose_numbers_another_program_rounded_is_ours() -> None:
    small = tags([Marked("Anna", (0.123456, 0.2, 0.133456, 0.21))], [], SIZE)
    first = merge(None, small)
    assert first.data is not None
    data = re.sub(rb"(0\.\d{4})\d\d", rb"\1", first.data)
    assert data != first.data
    assert remove(data, first.written) is None


def test_what_somebody_took_out_comes_back() -> None:
    first = merge(None, BOTH)
    assert first.data is not None
    without = merge(first.data, tags([BO], [], SIZE), first.written)
    assert merge(without.data, BOTH, first.written).written == BOTH


def test_fields_that_are_off_are_not_written_and_go() -> None:
    for name in sorted(FIELDS):
        wanted = tags([ANNA], [], SIZE, frozenset({name}))
        data = merge(None, wanted).data
        assert data is not None
        assert data.count(b"Anna Berg") == 1
        everything = merge(None, tags([ANNA], [], SIZE))
        less = written(everything.data, wanted, everything.written)
        assert less.written == wanted
        assert less.data is not None
        assert less.data.count(b"Anna Berg") == 1
    assert merge(None, tags([ANNA], [], SIZE, frozenset())).data is None


def test_no_region_without_a_name_or_outside_is_written() -> None:
    marked = [
        Marked("  ", ANNA.box),
        Marked("Out", (1.1, 0.2, 1.3, 0.4)),
        Marked(" In ", (-0.5, 0.5, 0.25, 1.5)),
        ANNA,
        ANNA,
    ]
    wanted = tags(marked, ["", "In"], SIZE)
    assert wanted.mwg == (Marked("In", (0, 0.5, 0.25, 1)), ANNA)
    assert wanted.persons == ("In", "Anna Berg")


def test_of_regions_of_one_person_at_one_place_the_first_is_written() -> None:
    """What is embedded in the photo may be given behind what we found."""
    embedded = Marked("anna berg", (0.11, 0.21, 0.32, 0.4), "Face")
    elsewhere = Marked("Anna Berg", (0.6, 0.2, 0.8, 0.4))
    assert tags([ANNA, embedded, elsewhere], [], SIZE).mwg == (ANNA, elsewhere)


def test_a_keyword_whose_accents_another_program_wrote_anew_is_ours() -> None:
    first = merge(None, tags([], ["René"], SIZE))
    assert first.data is not None
    data = first.data.decode().replace("é", "e\u0301").encode()
    assert remove(data, first.written) is None


def test_a_name_that_would_be_two_keywords_is_none() -> None:
    wanted = tags([], ["AC/DC", "A|B"], SIZE)
    assert wanted.digikam == ("People/A|B",)
    assert wanted.lightroom == ("People|AC/DC",)
    assert wanted.subject == ("AC/DC", "A|B")
    assert wanted.size is None


@pytest.mark.parametrize("bad", ["a\0b", "\x1b[31m", "\ud800", "\ufffe"])
def test_a_name_that_xml_cannot_hold_is_refused(bad: str) -> None:
    with pytest.raises(FaceclusterError, match="has a letter that XMP cannot hold"):
        tags([Marked(bad, ANNA.box)], [], SIZE)


@pytest.mark.parametrize(
    "name", ["]]>", "<!-- a", "a\r\nb\tc", "&amp;", "{}", "“’", "\U0001f469\u200d\U0001f52c", "\"'"]
)
def test_strange_names_come_back(name: str) -> None:
    wanted = tags([Marked(name, ANNA.box)], [], SIZE)
    for existing in (None, PICASA.encode(), OSXPHOTOS.encode("utf-16")):
        data = written(existing, wanted).data
        assert data is not None
        assert name in read(data).persons
        assert name in [region.name for region in read(data).regions]


def test_the_size_of_the_picture_is_kept_up() -> None:
    first = written(None, BOTH)
    scaled = written(first.data, tags([ANNA, BO], ["Cleo Ümit"], (800, 600)), first.written)
    assert scaled.data is not None
    assert read(scaled.data).regions[0].applied == (800, 600)
    assert remove(scaled.data, scaled.written) is None


def test_a_size_that_another_program_told_stays_and_is_remarked() -> None:
    merged = written(PICASA.encode(), BOTH)
    assert merged.data is not None
    assert merged.written.size is None
    assert read(merged.data).regions[0].applied == (2592, 1944)
    assert merged.remarks == (
        "the size of the photo is told as 2592 x 1944 pixels there; it has 4000 x 3000",
    )
    assert merge(DIGIKAM.encode(), BOTH).remarks == ()


def test_others_add_to_what_we_wrote() -> None:
    first = merge(None, tags([ANNA], [], SIZE))
    second = merge(first.data, tags([BO], [], SIZE))  # as another program would
    assert second.data is not None
    left = remove(second.data, first.written)
    assert left is not None
    assert b"Anna" not in left
    found = read(left)
    assert [region.name for region in found.regions] == ["Bo & <Co>"] * 2
    assert found.regions[0].applied == SIZE
    assert remove(left, second.written) is not None  # the size that we wrote first stays with whom it served


@pytest.mark.parametrize(
    "properties",
    [
        "<dc:subject/>",
        "<dc:subject></dc:subject>",
        "<dc:subject>\n   </dc:subject>",
        "<dc:subject><rdf:Bag/></dc:subject>",
        "<dc:subject><rdf:Bag></rdf:Bag></dc:subject>",
        "<dc:subject><rdf:Seq>\n   </rdf:Seq></dc:subject>",
        "<dc:subject>Sea</dc:subject>",
        "<dc:subject><![CDATA[Sea]]></dc:subject>",
        "<dc:subject><rdf:Bag><rdf:li>Sea</rdf:li><!-- end --></rdf:Bag></dc:subject>",
        '<mwg-rs:Regions rdf:parseType="Resource"/>',
        '<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList/></mwg-rs:Regions>',
        '<mwg-rs:Regions><rdf:Description mwg-rs:x="1"/></mwg-rs:Regions>',
        '<MP:RegionInfo rdf:parseType="Resource"><MPRI:Regions><rdf:Bag/></MPRI:Regions></MP:RegionInfo>',
        "<MP:RegionInfo><rdf:Description/></MP:RegionInfo>",
    ],
)
def test_names_are_put_into_what_is_empty_or_one_text(properties: str) -> None:
    data = xmp(properties)
    merged = written(data, BOTH)
    assert merged.data is not None
    assert merged.written == BOTH
    found = read(merged.data)
    assert len(found.regions) == 4
    assert found.keywords == (*(["Sea"] if "Sea" in properties else []), *BOTH.subject)
    assert b"<!-- end -->" in merged.data or "<!--" not in properties
    left = remove(merged.data, merged.written)
    assert left is not None
    assert read(left) == read(data)


def test_a_keyword_that_is_an_attribute_stays() -> None:
    merged = written(xmp(attributes="dc:subject='Sea &amp; sun'"), BOTH)
    assert merged.data is not None
    assert read(merged.data).keywords == ("Sea & sun", *BOTH.subject)
    left = remove(merged.data, merged.written)
    assert left is not None
    assert read(left).keywords == ("Sea & sun",)


@pytest.mark.parametrize(
    "properties",
    [
        "<mwg-rs:Regions/>",
        "<MP:RegionInfo>x</MP:RegionInfo>",
        '<dc:subject rdf:resource="x"/>',
        "<dc:subject><dc:x/></dc:subject>",
    ],
)
def test_a_form_that_nothing_can_be_added_to_is_refused(properties: str) -> None:
    with pytest.raises(FaceclusterError, match="in a form that nothing can be added to"):
        merge(xmp(properties), BOTH)


def test_prefixes_of_others_are_used_and_never_broken() -> None:
    """Here `stArea` stands for the regions, and `dc` for something else."""
    data = f"""<R:RDF xmlns:R="{RDF}"><R:Description R:about=""
 xmlns:stArea="http://www.metadataworkinggroup.com/schemas/regions/" xmlns:dc="urn:other" dc:x="1">
 <stArea:Regions R:parseType="Resource"><stArea:RegionList><R:Bag></R:Bag></stArea:RegionList>
 </stArea:Regions></R:Description></R:RDF>""".encode()
    merged = written(data, BOTH)
    assert merged.data is not None
    assert len(read(merged.data).regions) == 4
    assert b"<stArea:Name>Anna Berg" in merged.data
    assert b'dc:x="1"' in merged.data
    assert read(merged.data).keywords == BOTH.subject
    assert b"<rdf:" not in merged.data


def test_a_prefix_that_stands_for_something_else_further_in_is_not_used() -> None:
    data = f"""<r:RDF xmlns:r="{RDF}" xmlns:p="http://purl.org/dc/elements/1.1/"><r:Description r:about=""
 xmlns:p="urn:other" p:x="1"><d:subject xmlns:d="http://purl.org/dc/elements/1.1/"><r:Bag/></d:subject>
 <q:Regions xmlns:q="http://www.metadataworkinggroup.com/schemas/regions/" r:parseType="Resource"><q:RegionList
 xmlns:q="urn:q" xmlns:z="http://www.metadataworkinggroup.com/schemas/regions/"/><z:RegionList
 xmlns:z="http://www.metadataworkinggroup.com/schemas/regions/"><r:Bag xmlns:q="urn:q" xmlns:z="urn:z"><r:li/></r:Bag>
 </z:RegionList></q:Regions></r:Description></r:RDF>""".encode()
    merged = written(data, BOTH)
    assert merged.data is not None
    assert [region.name for region in read(merged.data).regions][:2] == ["Anna Berg", "Bo & <Co>"]
    assert read(merged.data).keywords == BOTH.subject


def test_a_default_namespace_is_no_prefix() -> None:
    data = f'<RDF xmlns="{RDF}"><Description/></RDF>'.encode()
    merged = written(data, BOTH)
    assert merged.data is not None
    assert len(read(merged.data).regions) == 4
    assert remove(merged.data, merged.written) == data


def test_a_file_in_an_older_encoding_stays_in_it() -> None:
    text = '<?xml version="1.0" encoding="ISO-8859-1"?>\n' + DIGIKAM.split("?>\n", 2)[2].removesuffix(
        '<?xpacket end="w"?>'
    )
    data = text.encode("latin-1")
    merged = written(data, tags([Marked("Žofie Łuk", ANNA.box)], [], SIZE))
    assert merged.data is not None
    assert "Krüger".encode("latin-1") in merged.data
    assert "Žofie Łuk" in read(merged.data).persons
    assert remove(merged.data, merged.written) == data


# Files that are none


def bomb(levels: int = 12) -> str:
    entities = "".join(f'<!ENTITY e{i + 1} "{f"&e{i};" * 10}">' for i in range(levels))
    return f'<!DOCTYPE x [<!ENTITY e0 "ha">{entities}]><x>&e{levels};</x>'


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
@pytest.mark.parametrize(
    "text",
    [
        bomb(),
        '<?xml version="1.0"?>' + bomb(),
        "<!-- a --><?p?>\n" + bomb(),
        '<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        '<!DOCTYPE x PUBLIC "a" "http://127.0.0.1:9/x"><x/>',
        '<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///dev/zero">%p;]><x/>',
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///dev/zero">]><x>&e;</x>',
    ],
)
def test_a_document_type_is_refused_where_it_starts(text: str, encoding: str) -> None:
    started = time.process_time()
    with pytest.raises(FaceclusterError, match="document type"):
        read(text.encode(encoding))
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (b"  \r\n\0", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"hello", "no XML"),
        (b"\xff\xd8\xff\xe1", "no UTF-8"),
        (b"\xff\xfe<", "no UTF-16"),
        (b"\xff\xfe\0\xd8<\0", "no UTF-16"),
        (b"\xff\xfe\0\0\xff\xff\xff\xff", "no UTF-32"),
        (b"<a>&e;</a>", "no XML"),
        (b"<a>&#0;</a>", "no XML"),
        (b"<a>\x01</a>", "no XML"),
        (b"<a><b></a></b>", "no XML"),
        (b"<a b='1' b='2'/>", "no XML"),
        (b"<p:a/>", "no XML"),
        (b"<a/><b/>", "no XML"),
        (b"<a/>", "no rdf:RDF"),
        (b"<html><body/></html>", "no rdf:RDF"),
        (b'<?xml version="1.0" encoding="utf-7"?><a/>', "utf-7, which is not read"),
        (b'<?xml version="1.0" encoding="zip"?><a/>', "zip, which is not read"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "no-such, which is not read"),
        (b"{}", "no XML"),
    ],
)
def test_what_is_no_xmp_is_an_error_that_says_why(data: bytes, why: str) -> None:
    with pytest.raises(FaceclusterError, match=re.escape(why)):
        read(data)
    with pytest.raises(FaceclusterError, match=re.escape(why)):
        merge(data, BOTH)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_file_that_is_cut_short_is_never_written_to(name: str) -> None:
    data = LAYOUTS[name].encode()
    whole = data.rindex(b"xmpmeta>") + len(b"xmpmeta>")
    for end in range(0, whole, 7):
        with pytest.raises(FaceclusterError):
            merge(data[:end], BOTH)


def test_a_large_file_is_refused_before_it_is_parsed() -> None:
    data = xmp("<dc:x>" + "a" * 50_000_000 + "</dc:x>")
    with pytest.raises(FaceclusterError, match="has 50 MB, more than the 16 MB"):
        read(data)


def test_a_file_with_a_large_text_is_read() -> None:
    """A photo's depth may be in it."""
    data = xmp("<dc:x>" + "a" * 15_000_000 + "</dc:x>")
    merged = merge(data, BOTH)
    assert merged.data is not None
    assert len(merged.data) > 15_000_000
    assert len(read(merged.data).regions) == 4


@pytest.mark.parametrize(
    "properties",
    [
        "<dc:x>" * 200 + "</dc:x>" * 200,
        "<dc:x/>" * 1_000_000,
        "<dc:x " + " ".join(f'a{i}=""' for i in range(300_000)) + "/>",
    ],
)
def test_what_would_take_memory_is_refused(properties: str) -> None:
    data = xmp(properties)
    tracemalloc.start()
    try:
        with pytest.raises(FaceclusterError, match=r"elements in each other|far more parts"):
            read(data)
        assert tracemalloc.get_traced_memory()[1] < 4 * len(data) + 1_000_000
    finally:
        tracemalloc.stop()


def test_spaces_without_end_in_a_tag_take_no_time() -> None:
    spaces = " " * 10_000_000
    data = xmp(attributes=f"dc:subject='Sea'{spaces}xml:lang='x'{spaces[:1_000_000]}")
    started = time.process_time()
    merged = merge(data, BOTH)
    assert merged.data is not None
    assert read(merged.data).keywords[0] == "Sea"
    assert time.process_time() - started < 5


def test_deep_nesting_stops_at_once() -> None:
    with pytest.raises(FaceclusterError, match="more than 100 elements in each other"):
        read(b"<a>" * 150_000)


def test_a_tag_takes_little_memory() -> None:
    """So as many as are allowed take some 100 MB."""
    n_tags = 20_000
    data = xmp("<dc:x/>" * n_tags)
    tracemalloc.start()
    try:
        read(data)
        assert tracemalloc.get_traced_memory()[1] * xmp_tree.MOST_TAGS / n_tags < 150e6
    finally:
        tracemalloc.stop()


def test_many_regions_of_others_take_no_time_by_the_square() -> None:
    marked = [
        Marked(name, (i / 2000, 0.5, (i + 0.5) / 2000, 0.6)) for i in range(1000) for name in ("Ada", "Eve")
    ]
    others = merge(None, Tags(microsoft=tuple(marked)))
    started = time.process_time()
    first = merge(others.data, BOTH)
    assert merge(first.data, BOTH, first.written).data is first.data
    assert remove(first.data or b"", first.written) == others.data
    assert time.process_time() - started < 5


MARKS = (
    b"<", b">", b"/>", b"&", b"'", b'"', b"<!DOCTYPE a>", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"\0", b"\xff",
    b"<rdf:li>", b"</rdf:Bag>", b"<rdf:Bag>", b"rdf:", b"<rdf:Description>", b' xmlns="x"', b"nan", b"&#0;", b"1e999",
    b"\r\n",
)  # fmt: skip
PARTS = (
    b"<rdf:li/>", b"<rdf:Bag/>", b"<rdf:li>Anna Berg</rdf:li>", b"<rdf:Description/>", b"<!-- x -->", b"<![CDATA[Bo]]>",
    b"<rdf:Seq><rdf:li>People/Anna Berg</rdf:li></rdf:Seq>", b"<rdf:value>x</rdf:value>", b" ", b"0.5", b"-3", b"",
    b'<rdf:Description xmlns:rdf="urn:x"/>', b'<a xmlns="urn:y"/>', b"text",
)  # fmt: skip


def broken(data: bytes, rng: random.Random) -> bytes:
    """Break a file in a place: bytes cut out, doubled, or exchanged for marks of XML."""
    start = rng.randrange(len(data) + 1)
    end = min(len(data), start + rng.choice([0, 1, 1, 5, 40, 300]))
    kind = rng.randrange(3)
    if kind == 0:
        return data[:start] + data[end:]
    if kind == 1:
        return data[:start] + rng.choice(MARKS) + data[rng.choice([start, end]) :]
    return data[:end] + data[start:]


def rearranged(data: bytes, rng: random.Random) -> bytes:
    """Change a file that stays XML: an element is cut out, doubled, filled, emptied, moved, or loses attributes."""
    document = xmp_tree.parse(data)
    nodes = [document.rdf]
    for node in nodes:
        nodes += node.children
    node, other = rng.choice(nodes[1:] or nodes), rng.choice(nodes)
    start, opened, end = node.start, document.opened(node), document.end(node)
    body, part = document.body, body_of(document, other)
    kind = rng.randrange(7)
    if kind == 0:
        return body[:start] + body[end:]
    if kind == 1:
        return body[:end] + rng.choice([b"", b" ", b"\n  "]) + body[start:]
    if kind == 2:
        return body[:start] + part + body[end:]
    if kind == 3:
        return body[:start] + re.sub(rb"\s[\w-]+:(\w+)\s*=", rb" rdf:\1=", body[start:opened]) + body[opened:]
    if kind == 4:
        return (
            body[:start]
            + re.sub(rb'"[^"]*"', rb'"' + rng.choice(PARTS[8:11]) + rb'"', body[start:opened], count=1)
            + body[opened:]
        )
    if document.is_one_tag(node):
        return body
    inside = rng.choice(PARTS) if kind == 5 else body[opened : node.closing] + rng.choice([*PARTS, part])
    return body[:opened] + inside + body[node.closing :]


def body_of(document: xmp_tree.Document, node: xmp_tree.Node) -> bytes:
    return document.body[node.start : document.end(node)]


def places(found: Metadata) -> list[tuple[str, str]]:
    """What must not be lost of regions: kind and name. A size that is told anew may move those that told none."""
    return sorted((region.kind, region.name or "") for region in found.regions)


def fuzz(seed: int, rounds: int) -> tuple[int, int]:
    """Read and merge broken and rearranged files; count those that could be read, and those that could be merged."""
    rng = random.Random(seed)
    sources = [text.encode(code) for text in LAYOUTS.values() for code in ("utf-8", "utf-16-le")]
    ours = merge(DIGIKAM.encode(), BOTH)
    assert ours.data is not None
    sources += [ours.data, merge(None, BOTH).data or b""] * 2
    n_read = n_merged = 0
    for _ in range(rounds):
        data = rng.choice(sources)
        try:
            for _ in range(rng.randint(0, 3)):
                data = rearranged(data, rng)
            for _ in range(rng.choice([0, 0, 0, 1, 2])):
                data = broken(data, rng)
            found = read(data)
            n_read += 1
            known = rng.choice([NOTHING, ours.written])
            merged = rng.choice([written, merge, merge])(data, BOTH, known)
        except FaceclusterError:
            continue
        n_merged += 1
        assert merged.data is not None
        after = read(merged.data)
        assert {*found.persons, *found.keywords} <= {*after.persons, *after.keywords}
        assert set(BOTH.subject) <= set(after.keywords)
        assert after.dates == found.dates
        left = remove(merged.data, merged.written)
        assert left is None or isinstance(read(left), Metadata)
        if known == NOTHING:
            again = read(left) if left is not None else Metadata((), (), (), (), (), ())
            assert places(again) == places(found)
            assert (again.keywords, again.hierarchical, again.dates) == (
                found.keywords,
                found.hierarchical,
                found.dates,
            )
            assert again.persons == found.persons
    return n_read, n_merged


def test_rearranged_files_keep_what_others_wrote() -> None:
    n_read, n_merged = fuzz(0, 300)
    assert n_read > 150
    assert n_merged > 150


def test_broken_files_give_an_error_of_ours_or_a_result() -> None:
    rng = random.Random(1)
    sources = [text.encode(code) for text in LAYOUTS.values() for code in ("utf-8", "utf-16-le")]
    n_read = 0
    for _ in range(3000):
        data = broken(rng.choice(sources), rng)
        try:
            found = read(data)
        except FaceclusterError:
            continue
        n_read += 1
        assert all(0 <= edge <= 1 for region in found.regions for edge in region.box)
        assert all(remark.isprintable() for remark in found.remarks)
    assert 300 < n_read < 2000


# Other readers


def exiftool(*arguments: str) -> str:
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed")
    done = subprocess.run(
        ["exiftool", *arguments], check=True, capture_output=True, text=True, encoding="utf-8"
    )
    return done.stdout + done.stderr


def test_exiftool_reads_every_field_and_has_no_warning(tmp_path: Path) -> None:
    for name, text in LAYOUTS.items():
        (tmp_path / f"{name}.before.xmp").write_text(text, encoding="utf-8")
        (tmp_path / f"{name}.xmp").write_bytes(merge(text.encode(), BOTH).data or b"")
    (tmp_path / "new.xmp").write_bytes(merge(None, BOTH).data or b"")
    names = ["new", *LAYOUTS]
    files = [str(tmp_path / f"{name}.xmp") for name in names]
    others = [str(tmp_path / f"{name}.before.xmp") for name in LAYOUTS]
    told = json.loads(
        exiftool("-q", "-j", "-struct", "-G1", "-validate", "-warning", "-a", "-XMP:all", *files, *others)
    )
    said = {Path(found["SourceFile"]).name: found for found in told}
    for name in names:
        found = said[f"{name}.xmp"]
        if name == "digikam":  # its address of MicrosoftPhoto ends in a slash, and exiftool's does not
            before = said["digikam.before.xmp"]
            assert found["ExifTool:Validate"] == before["ExifTool:Validate"]
            assert found["ExifTool:Warning"] == before["ExifTool:Warning"]
        else:
            assert found["ExifTool:Validate"] == "OK"
            assert "ExifTool:Warning" not in found
        shown = found["XMP-mwg-rs:RegionInfo"]
        mine = {region["Name"]: region for region in shown["RegionList"] if "Name" in region}
        for marked in (ANNA, BO):
            left, top, right, bottom = marked.box
            area = mine[marked.name]["Area"]
            assert near((area["X"], area["Y"]), ((left + right) / 2, (top + bottom) / 2))
            assert near((area["W"], area["H"]), (right - left, bottom - top))
            assert area["Unit"] == "normalized"
            assert mine[marked.name]["Type"] == "Face"
        people = {region["PersonDisplayName"]: region for region in found["XMP-MP:RegionInfoMP"]["Regions"]}
        assert people["Anna Berg"]["Rectangle"] == "0.100000, 0.200000, 0.200000, 0.200000"
        assert people["Bo & <Co>"]["Rectangle"] == "0.500000, 0.250000, 0.250000, 0.250000"
        assert set(BOTH.persons) <= set(found["XMP-iptcExt:PersonInImage"])
        assert set(BOTH.digikam) <= set(found["XMP-digiKam:TagsList"])
        assert set(BOTH.lightroom) <= set(found["XMP-lr:HierarchicalSubject"])
        assert set(BOTH.subject) <= set(found["XMP-dc:Subject"])
    size = said["new.xmp"]["XMP-mwg-rs:RegionInfo"]["AppliedToDimensions"]
    assert size == {"W": 4000, "H": 3000, "Unit": "pixel"}


def test_exiftool_writes_what_we_know_again(tmp_path: Path) -> None:
    """It lays the whole file out anew; what is ours still goes, and its own rating stays."""
    merged = merge(None, BOTH)
    file = tmp_path / "photo.jpg.xmp"
    file.write_bytes(merged.data or b"")
    exiftool("-q", "-overwrite_original", "-XMP-xmp:Rating=5", "-XMP-dc:Subject+=Sea", str(file))
    data = file.read_bytes()
    assert merge(data, BOTH, merged.written).data is data
    left = remove(data, merged.written)
    assert left is not None
    assert read(left) == Metadata((), (), ("Sea",), (), (), ())
    file.write_bytes(left)
    assert exiftool("-s3", "-XMP-xmp:Rating", "-warning", str(file)).split() == ["5"]


def exiv2(*arguments: str) -> str:
    if shutil.which("exiv2") is None:
        pytest.skip("exiv2 is not installed")
    done = subprocess.run(["exiv2", *arguments], check=True, capture_output=True, text=True, encoding="utf-8")
    assert done.stderr == ""
    return done.stdout


def keys(text: str) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in text.splitlines() if " " in line.strip())


@pytest.mark.parametrize("name", ["", *LAYOUTS])
def test_exiv2_reads_every_field(tmp_path: Path, name: str) -> None:
    others = (
        LAYOUTS[name].removeprefix("<!-- Created with osxphotos -->\n") if name else ""
    )  # no XMP for exiv2
    merged = merge(others.encode() or None, BOTH)
    file = tmp_path / "photo.jpg.xmp"
    file.write_bytes(merged.data or b"")
    shown = keys(exiv2("-PXkv", str(file)))
    names = {key: value for key, value in shown.items() if key.endswith("/mwg-rs:Name")}
    assert {"Anna Berg", "Bo & <Co>"} <= set(names.values())
    area = (
        next(key for key, value in names.items() if value == "Anna Berg").removesuffix("Name")
        + "Area/stArea:"
    )
    assert [float(shown[area + letter]) for letter in "xywh"] == [0.2, 0.3, 0.2, 0.2]
    people = {value: key for key, value in shown.items() if key.endswith("/MPReg:PersonDisplayName")}
    place = people["Anna Berg"].removesuffix("PersonDisplayName") + "Rectangle"
    assert shown[place] == "0.100000, 0.200000, 0.200000, 0.200000"
    for key, texts in (
        ("Xmp.iptcExt.PersonInImage", BOTH.persons),
        ("Xmp.digiKam.TagsList", BOTH.digikam),
        ("Xmp.lr.hierarchicalSubject", BOTH.lightroom),
        ("Xmp.dc.subject", BOTH.subject),
    ):
        assert set(texts) <= set(shown[key].split(", "))


def test_exiv2_lays_out_anew_and_what_is_ours_still_goes(tmp_path: Path) -> None:
    """As digiKam would, which writes with it."""
    merged = merge(None, BOTH)
    file = tmp_path / "photo.jpg.xmp"
    file.write_bytes(merged.data or b"")
    exiv2("-M", "set Xmp.xmp.Rating 3", str(file))
    data = file.read_bytes()
    assert b'mwg-rs:Name="Anna Berg"' in data
    assert merge(data, BOTH, merged.written).data is data
    left = remove(data, merged.written)
    assert left is not None
    assert read(left) == Metadata((), (), (), (), (), ())
    assert b"Rating" in left


def test_marks_of_order_are_those_of_python() -> None:
    """A file that starts with one is decoded by it, whatever it declares."""
    for mark, code in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        text = '<?xml version="1.0" encoding="UTF-8"?>' + PICASA
        assert read(mark + text.encode(code)) == read(PICASA.encode())
