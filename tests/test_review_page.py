"""The review page in a real browser: what somebody sees, clicks and types, against the real server."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("uvicorn", reason="the extra [review] is not installed")
pytest.importorskip("playwright", reason="playwright is not installed: pip install playwright")

from libraries import cluster_table
from pages import Browser as Asker
from pages import opened
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Locator, Page, expect
from tables import make_table, people
from xmp_files import xmp

from facecluster.formats import face_table
from facecluster.library.library import Library

AXE_SHA256 = "84494fec757e4710dc751c8d7a636e457f4532f08f85c86dc9070133fbff53bc"
"""Of axe-core 4.12.1, as axe-playwright-python 0.1.8 has it."""

N_PEOPLE, N_EACH = 5, 6
STRANGERS = (30, 31)
"""Numbers of photos of a face like nobody each."""
BARE = (32, 33)
"""Numbers of photos in which no face was found."""
DAY = 86400.0
VIEWS = (
    "#/people",
    "#/people?filter=hidden",
    "#/person/person-0001",
    "#/questions",
    "#/nobody",
    "#/photos",
    "#/photos?only=none&sort=folder",
    "#/history",
    "#/photo/",
)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five people of six photos each, taken over six years, two strangers, and two without a face; all are drawn."""
    home = tmp_path_factory.mktemp("page")
    n = N_PEOPLE * N_EACH + len(STRANGERS) + len(BARE)
    paths = [str(home / f"{i:02}.jpg") for i in range(n)]
    for i, path in enumerate(paths):
        draw_photo(path, hue=40 * (i // N_EACH), number=i % N_EACH)
    encoding = people(N_PEOPLE + len(STRANGERS), N_EACH)
    encoding = np.concatenate([encoding[: N_PEOPLE * N_EACH], encoding[N_PEOPLE * N_EACH :: N_EACH]])
    table = make_table(
        encoding,
        paths=paths,
        photos={
            "size": np.tile([300, 240], (n, 1)),
            "time": np.arange(n) % N_EACH * 366 * DAY + 4e8,
            "status": [*["ok"] * len(encoding), *["no_face"] * len(BARE)],
        },
        box=np.tile([100, 60, 200, 160], (len(encoding), 1)),
        id=[face(i) for i in range(len(encoding))],
    )
    (home / "people").mkdir()
    face_table.write(table, home / "people" / "faces.npz")
    cluster_table(table, home / "people", source=str(home / "people" / "faces.npz"))
    return home / "people"


def draw_photo(path: str, *, hue: int, number: int) -> None:
    """A drawn face, in a colour of its person."""
    photo = Image.new("HSV", (300, 240), (hue, 60, 190))
    pen = ImageDraw.Draw(photo)
    pen.ellipse((100, 60, 200, 160), (hue, 120, 240))
    for x in (125, 165):
        pen.ellipse((x, 95, x + 10, 105), (0, 0, 20))
    pen.arc((125, 110, 175, 130 + 4 * number), 10, 170, (0, 0, 20), 3)
    photo.convert("RGB").save(path, quality=90)


def face(i: int) -> str:
    """Id of the face of a photo of a number."""
    return f"{i + 1:032x}-0"


class Seen:
    """A library, its page, and the windows that somebody has open."""

    def __init__(self, library: Path, asker: Asker, browser: Browser) -> None:
        self.library, self.asker, self.browser = library, asker, browser
        self.told: list[str] = []

    def open(
        self, where: str = "#/people", *, width: int = 1200, height: int = 800, scheme: str = "light"
    ) -> Page:
        """Open a window."""
        context = self.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,  # type: ignore[arg-type]
            reduced_motion="reduce",
            has_touch=width < 500,
        )
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.on("console", lambda said: self.told.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: self.told.append(f"error: {error}"))
        page.goto(self.asker.address)
        go(page, where)
        return page

    def names(self) -> dict[str, str | None]:
        """Who is called how, as the command line has it."""
        return {one["id"]: one["name"] for one in self.asker.get("/api/people?limit=100")["people"]}


@pytest.fixture
def seen(made: Path, browser: Browser, tmp_path: Path) -> Iterator[Seen]:
    """The page of a copy of the library. Whatever is done, the browser must not complain."""
    library = tmp_path / "people"
    shutil.copytree(made, library)
    with opened(library) as asker:
        seen = Seen(library, asker, browser)
        yield seen
        for context in browser.contexts:
            context.close()
    # Errors of scripts, and what the content security policy refused; that somebody else has a name is no mistake.
    assert [one for one in seen.told if "status of 409" not in one] == []


def go(page: Page, where: str) -> None:
    """Go to a view, and wait until it is there."""
    page.evaluate("where => { location.hash = where }", where)
    expect(page.locator("main > .view")).to_be_visible()


def cells(page: Page) -> Locator:
    return page.get_by_role("gridcell")


def tick(page: Page, i: int) -> None:
    """Choose the cell of a number by its check mark."""
    cells(page).nth(i).hover()
    cells(page).nth(i).locator(".tick").click()


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    page.mouse.move(*end)
    page.mouse.up()


def corner(cell: Locator, x: float, y: float) -> tuple[float, float]:
    """A place in a cell, by parts of its size."""
    box = cell.bounding_box()
    assert box is not None
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


# ----------------------------------------------------------------------------------------------------- people


def test_a_name_is_typed_where_it_stands(seen: Seen) -> None:
    page = seen.open()
    cells(page).nth(1).locator(".name").click()
    page.keyboard.type("Anna <b>Berg</b>")
    page.keyboard.press("Enter")
    expect(cells(page).nth(1).locator(".name")).to_have_text("Anna <b>Berg</b>")
    expect(page.locator("#toasts")).to_contain_text("Anna <b>Berg</b>")
    assert seen.names()["person-0002"] == "Anna <b>Berg</b>"
    expect(cells(page).nth(1)).to_be_focused()


def test_a_name_that_somebody_has_is_offered_and_asks_whether_both_are_one(seen: Seen) -> None:
    seen.asker.decide("name", person="person-0001", name="Anna Berg")
    page = seen.open()
    cells(page).nth(2).locator(".name").click()
    page.keyboard.type("ber")
    expect(page.get_by_role("option", name="Anna Berg")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Are both one person?")
    dialog.get_by_role("button", name="choose another name").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("anna berg")
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Yes, merge them").click()
    expect(cells(page)).to_have_count(N_PEOPLE - 1)
    assert "person-0003" not in seen.names()


def test_people_that_are_chosen_are_merged_and_undo_takes_it_back(seen: Seen) -> None:
    seen.asker.decide("name", person="person-0002", name="Anna")
    seen.asker.decide("name", person="person-0003", name="Berta")
    page = seen.open()
    tick(page, 1)
    tick(page, 2)
    expect(page.get_by_role("toolbar")).to_contain_text("2 people chosen")
    page.get_by_role("button", name="Merge").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Berta").check()
    dialog.get_by_role("button", name="Yes, merge them").click()
    expect(cells(page)).to_have_count(N_PEOPLE - 1)
    expect(page.get_by_role("toolbar")).to_be_hidden()
    assert seen.names()["person-0003"] == "Berta"
    page.locator("#toasts").get_by_role("button", name="Undo").click()
    expect(cells(page)).to_have_count(N_PEOPLE)
    assert seen.names()["person-0002"] == "Anna"


def test_keys_alone_choose_merge_and_undo(seen: Seen) -> None:
    page = seen.open()
    expect(cells(page)).to_have_count(N_PEOPLE)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(cells(page).nth(1)).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator(".cell[aria-selected=true]")).to_have_count(2)
    page.keyboard.press("m")
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Enter")
    expect(cells(page)).to_have_count(N_PEOPLE - 1)
    page.keyboard.press("ControlOrMeta+z")
    expect(cells(page)).to_have_count(N_PEOPLE)
    page.keyboard.press("Home")
    page.keyboard.press("F2")
    page.keyboard.type("Anna")
    page.keyboard.press("Tab")
    page.keyboard.type("Berta")
    page.keyboard.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("Berta")
    assert [*seen.names().values()][:2] == ["Anna", "Berta"]
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Berta")


def test_people_are_found_as_one_types_and_filtered(seen: Seen) -> None:
    seen.asker.decide("name", person="person-0004", name="Ängström")
    page = seen.open()
    page.keyboard.press("/")
    page.keyboard.type("ang")
    expect(cells(page)).to_have_count(1)
    expect(cells(page).first).to_contain_text("Ängström")
    page.keyboard.type("x")
    expect(page.get_by_role("heading", name="Nobody is called so")).to_be_visible()
    page.keyboard.press("Escape")
    expect(cells(page)).to_have_count(N_PEOPLE)
    page.get_by_role("button", name="Unnamed 4").click()
    expect(cells(page)).to_have_count(4)


def test_who_is_hidden_is_left_out_until_shown_again(seen: Seen) -> None:
    page = seen.open()
    tick(page, 2)
    page.keyboard.press("h")
    expect(cells(page)).to_have_count(N_PEOPLE - 1)
    page.get_by_role("button", name="Hidden 1").click()
    expect(cells(page)).to_have_count(1)
    tick(page, 0)
    page.get_by_role("button", name="Show again").click()
    expect(page.get_by_role("heading", name="Nobody is hidden")).to_be_visible()
    assert len(seen.names()) == N_PEOPLE


def test_only_what_is_seen_is_in_the_page(browser: Browser, tmp_path: Path) -> None:
    directory = tmp_path / "people"
    directory.mkdir()
    table = make_table(people(100, 3), id=[face(i) for i in range(300)])
    face_table.write(table, directory / "faces.npz")
    cluster_table(table, directory, source=str(directory / "faces.npz"))
    with opened(directory) as asker:
        page = Seen(directory, asker, browser).open(width=700)
        expect(page.get_by_role("heading", level=1)).to_contain_text("100")
        assert cells(page).count() < 60
        cells(page).first.focus()
        page.keyboard.press("End")
        expect(cells(page).last).to_be_focused()
        expect(cells(page).last).to_be_in_viewport()
        assert cells(page).count() < 60
        last_id = asker.get("/api/people?limit=100")["people"][-1]["id"]
        cells(page).last.press("Enter")
        page.wait_for_url(f"**/#/person/{last_id}")
        page.go_back()
        expect(page.locator(f'a[href="#/person/{last_id}"]')).to_be_in_viewport()  # where one was
        go(page, "#/photos?sort=name")
        expect(page.get_by_role("heading", level=1)).to_contain_text("300")
        cells(page).first.focus()
        page.keyboard.press("End")
        expect(cells(page).last).to_be_focused()
        expect(cells(page).last).to_contain_text("299.jpg")
        assert cells(page).count() < 60
        cells(page).last.press("Enter")
        page.wait_for_url(f"**/#/photo/{300:032x}")
        page.go_back()
        expect(page.get_by_text("299.jpg")).to_be_in_viewport()
        page.context.close()


# --------------------------------------------------------------------------------------------------- a person


def test_faces_in_a_rectangle_are_split_off(seen: Seen) -> None:
    page = seen.open("#/person/person-0001")
    expect(cells(page)).to_have_count(N_EACH)
    order = [one["id"] for one in seen.asker.get("/api/person/person-0001/faces")["faces"]]
    first, second = cells(page).nth(0), cells(page).nth(1)
    drag(page, corner(first, 0.3, 0.4), corner(second, 0.6, 0.7))
    expect(page.locator(".cell[aria-selected=true]")).to_have_count(2)
    page.get_by_role("button", name="Somebody else").click()
    expect(cells(page)).to_have_count(N_EACH - 2)
    kept = {one["id"] for one in seen.asker.get("/api/person/person-0001/faces")["faces"]}
    assert kept == {*order[2:]}
    page.get_by_role("button", name=re.compile("^Undo: ")).first.click()
    expect(cells(page)).to_have_count(N_EACH)


def test_faces_move_to_who_is_called_so(seen: Seen) -> None:
    seen.asker.decide("name", person="person-0002", name="Anna")
    page = seen.open("#/person/person-0001")
    cells(page).nth(0).click()
    page.get_by_role("button", name="Move to…").click()
    page.get_by_role("option", name="Anna").click()
    expect(cells(page)).to_have_count(N_EACH - 1)
    assert seen.asker.get("/api/person/person-0002")["n_faces"] == N_EACH + 1


@pytest.mark.parametrize(("width", "height"), [(1200, 800), (390, 700)])
def test_what_is_said_covers_no_face_of_a_list_that_is_scrolled_down(
    seen: Seen, width: int, height: int
) -> None:
    page = seen.open("#/person/person-0001", width=width, height=height)
    cells(page).nth(1).click()
    page.keyboard.press("x")
    toast = page.locator(".toast")
    expect(toast).to_be_visible()
    expect(cells(page)).to_have_count(N_EACH - 1)
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    at = toast.bounding_box()
    assert at
    assert abs(at["x"] + at["width"] / 2 - width / 2) < 10  # a scroll bar has its place
    for cell in cells(page).all():
        face_at = cell.bounding_box()
        assert face_at
        assert face_at["y"] + face_at["height"] <= at["y"]


def test_every_per_cent_says_what_it_is(seen: Seen) -> None:
    page = seen.open("#/person/person-0001")
    expect(cells(page).first).to_contain_text("%")
    told = page.locator(".cell .counts").first.get_attribute("title")
    assert told
    assert "nearer a face is to its person than to anybody else" in told
    assert "no share of right ones" in told
    expect(page.get_by_text("Per cent: how much nearer")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog").get_by_text("Confidence is how much nearer")).to_be_visible()
    page = seen.open(f"#/photo/{face(0).removesuffix('-0')}")
    confidence = page.locator(".face small")
    expect(confidence).to_have_text(re.compile(r"confidence \d+ %"))
    assert "anybody else" in (confidence.get_attribute("title") or "")


def test_a_face_becomes_the_cover_and_two_faces_are_told_apart(seen: Seen) -> None:
    page = seen.open("#/person/person-0001")
    cells(page).nth(4).click()
    page.keyboard.press("c")
    expect(page.locator("#toasts")).to_be_visible()
    faces = [one["id"] for one in seen.asker.get("/api/person/person-0001/faces")["faces"]]
    expect(page.locator("header.person img")).to_have_attribute("src", re.compile(faces[4]))
    side = seen.asker.get("/api/person/person-0001")["links"]["weakest"]["side"]
    link = page.get_by_role("article").filter(has_text="The weakest link").first
    link.get_by_role("button", name="Not the same").click()
    expect(cells(page)).to_have_count(N_EACH - len(side))


def test_a_person_has_years_photos_with_boxes_and_a_history(seen: Seen) -> None:
    seen.asker.decide("name", person="person-0001", name="Anna")
    page = seen.open("#/person/person-0001")
    expect(page.get_by_role("list", name="Photos by year").get_by_role("listitem")).to_have_count(N_EACH)
    page.get_by_role("tab", name="Photos").click()
    expect(page.locator(".photo .box.this")).to_have_count(N_EACH)
    expect(page.locator(".photo .label").first).to_have_text("Anna")
    page.get_by_role("tab", name="History").click()
    page.get_by_role("tabpanel").get_by_role("button", name="Undo").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Add a name")
    assert seen.names()["person-0001"] is None


def test_any_decision_is_taken_back_in_the_history(seen: Seen) -> None:
    for i, name in enumerate(("Anna", "Berta", "Cleo"), 1):
        seen.asker.decide("name", person=f"person-000{i}", name=name)
    page = seen.open("#/history")
    expect(cells(page)).to_have_count(3)
    page.get_by_role("button", name=re.compile("Undo: .*Berta")).last.click()
    expect(cells(page)).to_have_count(4)
    expect(page.get_by_text("taken back").first).to_be_visible()
    names = seen.names()
    assert [names[f"person-000{i}"] for i in (1, 2, 3)] == ["Anna", None, "Cleo"]


# --------------------------------------------------------------------------------------------------- questions


def test_the_queue_is_answered_by_keys_and_asks_nothing_twice(seen: Seen) -> None:
    page = seen.open("#/questions")
    card = page.locator(".question")
    expect(card).to_be_visible()
    asked = [page.locator(".question-place").get_attribute("data-question")]
    for key in "sss":
        page.keyboard.press(key)
        expect(page.locator(".question-place")).not_to_have_attribute("data-question", str(asked[-1]))
        asked.append(page.locator(".question-place").get_attribute("data-question"))
    assert len({*asked}) == len(asked)
    page.keyboard.press("u")
    expect(page.locator(".question-place")).to_have_attribute("data-question", str(asked[-2]))
    expect(page.get_by_text("questions left")).to_be_visible()
    assert len(seen.asker.get("/api/history")["decisions"]) == 4  # three answers, and an undo


def test_who_a_person_is_can_be_typed_in_the_queue(seen: Seen) -> None:
    page = seen.open("#/questions")
    place = page.locator(".question-place")
    expect(place).to_have_attribute("data-question", re.compile(" "))
    while not (asked := str(place.get_attribute("data-question"))).startswith("who "):
        page.keyboard.press("s")
        expect(place).not_to_have_attribute("data-question", asked)
    page.keyboard.press("y")
    page.keyboard.type("Anna")
    page.keyboard.press("Enter")
    expect(page.locator(".last-said")).to_contain_text("Anna")
    assert "Anna" in seen.names().values()


def test_a_name_that_a_file_gives_is_taken_by_one_key(seen: Seen, made: Path) -> None:
    region = (
        '<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList><rdf:Bag><rdf:li rdf:parseType="Resource">'
        "<mwg-rs:Name>{}</mwg-rs:Name><mwg-rs:Type>Face</mwg-rs:Type>"
        '<mwg-rs:Area stArea:x="0.5" stArea:y="0.458" stArea:w="0.333" stArea:h="0.417"/></rdf:li></rdf:Bag>'
        "</mwg-rs:RegionList></mwg-rs:Regions>"
    )
    files = [made.parent / f"{i:02}.jpg.xmp" for i in range(N_PEOPLE * N_EACH)]
    try:
        for i, file in enumerate(files):
            file.write_bytes(xmp(region.format("Zoe" if i % N_EACH == 0 else f"Ada {i // N_EACH + 1}")))
        page = seen.open("#/questions")
        place, offered = page.locator(".question-place"), page.locator(".answers.who .row").first
        expect(place).to_have_attribute("data-question", re.compile(" "))
        while not (asked := str(place.get_attribute("data-question"))).startswith("who "):
            page.keyboard.press("s")
            expect(place).not_to_have_attribute("data-question", asked)
        name = f"Ada {asked[-1]}"
        expect(offered.get_by_role("button")).to_have_text([f"{name}in XMPa", "Zoein XMP"])
        page.keyboard.press("a")
        expect(page.locator(".last-said")).to_contain_text(name)
        assert seen.names()[asked.removeprefix("who ")] == name
        with Library.open(seen.library) as library:
            library.import_names()
        go(page, "#/history")
        expect(cells(page).first).to_contain_text("import of")
        page.get_by_role("link", name="all ").first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("An import")
        expect(cells(page).first).to_contain_text("said by xmp")
        page.get_by_role("link", name="History").first.click()
        expect(page.get_by_role("heading", level=1)).not_to_contain_text("An import")
        expect(cells(page).first).to_contain_text("import of")
        cells(page).first.get_by_role("button").click()
        expect(cells(page).first).to_contain_text("taken back: import of")
        assert [one for one in seen.names().values() if one] == [name]
    finally:
        for file in files:
            file.unlink(missing_ok=True)


# ------------------------------------------------------------------------------------------- nobody, and photos


def test_a_face_of_nobody_becomes_a_person(seen: Seen) -> None:
    page = seen.open("#/nobody")
    tick(page, 0)
    page.keyboard.press("p")
    page.keyboard.type("Ida")
    page.get_by_role("dialog").get_by_role("button", name="Make a person").click()
    expect(cells(page)).to_have_count(len(STRANGERS) - 1)
    assert "Ida" in seen.names().values()


@pytest.mark.parametrize("width", [1200, 500])
def test_boxes_lie_on_the_faces_of_a_photo_and_tell_who_it_is(seen: Seen, width: int) -> None:
    page = seen.open(f"#/photo/{face(0).rpartition('-')[0]}", width=width)
    box, stage = page.get_by_role("button", name=re.compile("^Face: ")), page.locator(".stage > img")
    seen_box, whole = box.bounding_box(), stage.bounding_box()
    assert seen_box is not None
    assert whole is not None
    assert seen_box["x"] - whole["x"] == pytest.approx(whole["width"] / 3, abs=1.5)
    assert seen_box["y"] - whole["y"] == pytest.approx(whole["height"] / 4, abs=1.5)
    assert seen_box["width"] == pytest.approx(whole["width"] / 3, abs=1.5)
    box.click()
    page.get_by_role("combobox", name="Who is this?").fill("Otto")
    page.keyboard.press("Enter")
    expect(box).to_contain_text("Otto")


def test_what_is_no_face_is_told_so(seen: Seen) -> None:
    page = seen.open(f"#/photo/{face(0).rpartition('-')[0]}")
    page.get_by_role("button", name=re.compile("^Face: ")).click()
    page.get_by_role("button", name="Not a face").click()
    expect(page.get_by_role("button", name=re.compile("^Face: nobody"))).to_be_visible()
    assert seen.asker.get("/api/person/person-0001")["n_faces"] == N_EACH - 1


def test_a_photo_without_a_face_is_found_and_a_face_drawn_in_it(seen: Seen) -> None:
    page = seen.open()
    page.keyboard.press("4")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Photos {N_PEOPLE * N_EACH + 4}")
    expect(page.get_by_role("link", name="Photos")).to_have_attribute("aria-current", "page")
    page.get_by_role("button", name="With a face of nobody").click()
    expect(cells(page)).to_have_count(len(STRANGERS))
    page.get_by_role("button", name="Without a face").click()
    expect(cells(page)).to_have_count(len(BARE))
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Find photos by file name or folder")).to_be_focused()
    page.keyboard.type("PAGE 33")
    expect(cells(page)).to_have_count(1)
    expect(page.get_by_role("gridcell", name=re.compile("^33.jpg, page.*, no face$"))).to_be_visible()
    page.keyboard.type("x")
    expect(page.get_by_role("heading", name="No photo is called so")).to_be_visible()
    page.keyboard.press("Backspace")
    expect(cells(page)).to_have_count(1)
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No faces were found")).to_be_visible()
    photo = page.locator(".stage > img")
    seen.asker.decide("name", person="person-0001", name="Anna")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    drag(page, corner(photo, 0.3, 0.2), corner(photo, 0.7, 0.7))
    dialog = page.get_by_role("dialog", name="Who is this?")
    dialog.get_by_role("button", name="Nobody I know").click(trial=True)
    assert not [url for url in asked if "/api/names" in url]  # a list of names would be over the button
    dialog.get_by_role("combobox").fill("An")
    expect(dialog.get_by_role("option")).to_have_count(1)
    dialog.get_by_role("combobox").fill("Otto")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Face: Otto")).to_be_visible(timeout=20_000)
    page.go_back()
    expect(page.get_by_role("heading", name="No photo is called so")).to_be_visible()
    page.get_by_role("button", name="All", exact=True).click()
    expect(page.get_by_role("gridcell", name=re.compile("^33.jpg, .*, 1 face$"))).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    expect(cells(page).nth(20)).to_be_visible()
    otto = next(own for own, name in seen.names().items() if name == "Otto")
    beside = [205, 60, 235, 100]  # its middle is in the picture of Otto's face
    seen.asker.decide("draw", photo=f"{BARE[1] + 1:032x}", box=beside, person="Bo")
    go(page, f"#/person/{otto}")
    expect(page.locator(".cell.framed")).to_have_count(1)
    x, y, across, high = page.locator(".cell.framed").evaluate(
        "cell => { const at = getComputedStyle(cell, '::after'), whole = cell.clientWidth;"
        "return [at.left, at.marginTop, at.width, at.height].map(side => parseFloat(side) / whole) }"
    )
    frame = [*seen.asker.get(f"/api/person/{otto}/faces")["frames"].values()]
    assert [[100 * x, 100 * y, 100 * across, 100 * high]] == [pytest.approx(one, abs=0.5) for one in frame]


MISSED = (262.0, 30.0, 305.0, 85.0)
"""Where the face is that was missed: left, top, right, bottom in a photo of 360 x 250."""


@pytest.fixture(scope="session")
def missed(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of a photo of two faces, of which one is too small for the detector."""
    home = tmp_path_factory.mktemp("missed")
    (home / "photos").mkdir()
    both = Image.new("RGB", (360, 250), (90, 100, 110))
    large, small = (
        Image.open(shared_data / "lfw_dev" / who / f"{who}_0004.jpg")
        for who in ("Jelena_Dokic", "Shimon_Peres")
    )
    both.paste(large, (0, 0))
    both.paste(small.resize((110, 110), Image.Resampling.LANCZOS), (232, 0))
    both.save(home / "photos" / "both.png")
    with Library.open(home / "people", new=True) as library:
        library.run(home / "photos", encoding={"min_face": 70.0}, jobs=1)
    return home / "people"


@pytest.mark.parametrize("way", ["mouse", "keys"])
def test_a_face_that_was_missed_is_drawn_and_gets_a_name(
    missed: Path, browser: Browser, tmp_path: Path, way: str
) -> None:
    library = tmp_path / "people"
    shutil.copytree(missed, library)
    with opened(library) as asker:
        seen = Seen(library, asker, browser)
        page = seen.open("#/nobody")
        cells(page).first.click()
        cells(page).first.dblclick()
        boxes = page.get_by_role("button", name=re.compile("^Face: "))
        expect(boxes).to_have_count(1)
        if way == "mouse":
            photo, (left, top, right, bottom) = page.locator(".stage > img"), MISSED
            drag(page, corner(photo, left / 360, top / 250), corner(photo, right / 360, bottom / 250))
        else:
            page.keyboard.press("d")
            for key, times in (("ArrowRight", 27), ("ArrowUp", 13), ("Shift+ArrowLeft", 4)):
                for _ in range(times):
                    page.keyboard.press(key)
            page.keyboard.press("Enter")
        page.get_by_role("dialog", name="Who is this?").get_by_role("combobox").fill("Otto")
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Face: Otto")).to_be_visible(timeout=20_000)
        expect(boxes).to_have_count(2)
        assert [one["name"] for one in asker.get("/api/people")["people"]] == ["Otto"]
        page.locator("#toasts").get_by_role("button", name="Undo").click()  # of the face and of whose it is
        expect(boxes).to_have_count(1)
        assert asker.get("/api/people")["people"] == []
        page.context.close()
    assert seen.told == []


# ------------------------------------------------------------------------------------------- windows and widths


def test_what_another_window_does_is_told_and_shown_and_the_choice_stays(seen: Seen) -> None:
    first, second = seen.open(), seen.open()
    tick(first, 4)
    first.wait_for_timeout(200)
    cells(second).nth(0).locator(".name").click()
    second.keyboard.type("Anna")
    second.keyboard.press("Enter")
    expect(cells(second).nth(0)).to_contain_text("Anna")
    expect(first.get_by_text("Something changed")).to_be_visible()
    expect(cells(first).nth(0)).to_contain_text("Anna")
    expect(cells(first).nth(4)).to_have_attribute("aria-selected", "true")
    expect(second.get_by_text("Something changed")).to_be_hidden()
    first.add_init_script(
        "window.setTimeout = (real => (act, ms) => ms === 7000 ? 0 : real(act, ms))(setTimeout)"
    )
    first.reload()
    expect(cells(first).nth(0)).to_contain_text("Anna")
    with Library.open(seen.library):
        expect(first.get_by_text("another facecluster is at work")).to_be_visible()
    expect(first.get_by_text("another facecluster is at work")).to_be_hidden()  # and not by its time


def test_a_person_who_is_gone_is_there_again_after_an_undo_elsewhere(seen: Seen) -> None:
    page = seen.open("#/person/person-0003")
    expect(cells(page).first).to_be_visible()
    seen.asker.decide("not_a_person", what=["person-0003"])
    expect(page.get_by_text("This person is not here any more")).to_be_visible()
    seen.asker.decide("undo")
    expect(cells(page)).to_have_count(N_EACH)
    seen.told[:] = [one for one in seen.told if "status of 404" not in one]


@pytest.mark.parametrize("width", [360, 768])
def test_every_view_fits_a_narrow_window(seen: Seen, width: int) -> None:
    page = seen.open(width=width, height=780)
    for where in VIEWS:
        show(page, where)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, where
    go(page, "#/people?filter=all")
    cells(page).first.locator(".name").tap() if width < 500 else cells(page).first.locator(".name").click()
    page.keyboard.type("Anna")
    page.keyboard.press("Enter")
    expect(cells(page).first).to_contain_text("Anna")


def show(page: Page, where: str) -> None:
    """Go to a view of `VIEWS`, and wait until it has something to show."""
    go(page, where + face(0).rpartition("-")[0] if where.endswith("/photo/") else where)
    expect(page.locator("main h1, main h2").first).to_be_visible()
    expect(page.locator(".cell:not(.empty), .nothing h2, .question, .box").first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_against_any_view(seen: Seen, scheme: str) -> None:
    source = axe()
    seen.asker.decide("name", person="person-0001", name="Anna")
    page = seen.open(scheme=scheme)
    page.evaluate(source)
    for where in VIEWS:
        show(page, where)
        check(page, where)
    go(page, "#/people?filter=all")
    tick(page, 0)
    tick(page, 1)
    check(page, "people that are chosen")
    page.keyboard.press("m")
    check(page, "the dialog of a merge")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    check(page, "the keys")


def axe() -> str:
    """The script of axe-core, if it is the one that we know."""
    pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    source = (resources.files("axe_playwright_python") / "axe.min.js").read_bytes()
    assert hashlib.sha256(source).hexdigest() == AXE_SHA256, "another axe-core: read what is new, and pin it"
    return source.decode()


def check(page: Page, where: str) -> None:
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    told = [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found["violations"]]
    assert not told, (where, json.dumps(told, indent=1))


def test_all_that_the_page_loads_is_small() -> None:
    files = [*(resources.files("facecluster.review") / "page").iterdir()]
    assert {file.name for file in files} == {"index.html", "style.css", "review.js", "icons.svg"}
    assert sum(len(file.read_bytes()) for file in files) < 150_000
