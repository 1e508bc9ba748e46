"""The report in a real browser: it opens from the disk, without a network, and everybody can use it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facecluster.render.report import Content, Look, make
from facecluster.result import Box, Person, PersonFace, Pose
from facecluster.table import Picture

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
expect = playwright.expect

NAMES = (
    "Anna Berg",
    "Zoë <script>alert(1)</script>",
    None,
    "שרה לוי",
    "Ludmilla von Hohenlohe-Langenburg" * 3,
)


class AnyPicture:
    """Takes any picture for the right one."""

    def source(self, photo: str) -> str:
        return photo


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a report as one file, report.html, and as a folder, album."""
    folder = tmp_path_factory.mktemp("usb stick")
    faces: list[list[PersonFace]] = [[] for _ in NAMES]
    sizes, times = {}, {}
    for i in range(8):
        path = str(folder / f"{i}.jpg")
        width, height = (600, 800) if i % 3 == 0 else (800, 600)
        pixels = np.random.default_rng(i).integers(0, 255, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((width, height)).save(path)
        sizes[path], times[path] = Picture(width, height), 1.2e9 + 4e7 * i
        for k, left in ((i % len(NAMES), 100), ((i + 1) % len(NAMES), 350)):
            box = Box(left, 150, left + 120, 300)
            faces[k].append(PersonFace(f"{i}-{k}", path, box, Pose(0, 0, 0), 0.9, core=True, confidence=99))
    everybody = [
        Person.of(f"person-{k + 1:04d}", theirs, name)
        for k, (name, theirs) in enumerate(zip(NAMES, faces, strict=True))
    ]
    content = Content(everybody, sizes, times)
    for name, as_folder in (("report.html", False), ("album", True)):
        make(content, Look(), folder / name, AnyPicture(), as_folder=as_folder, threads=1)
    return folder


@pytest.fixture
def open_page(browser: Any, reports: Path) -> Iterator[Any]:
    """Opens a page of a report from the disk; in the end nothing was refused, broken, or asked of a network."""
    wrong: list[str] = []
    contexts = []

    def opened(file: str, **options: Any) -> Any:
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "request", lambda r: wrong.append(r.url) if not r.url.startswith(("file:", "data:")) else None
        )
        page.goto((reports / file).as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def all_loaded(page: Any) -> bool:
    script = "Promise.all([...document.images].map(i => { i.loading = 'eager'; return i.decode(); })).then(() => true)"
    return bool(page.evaluate(script))


@pytest.mark.parametrize("file", ["report.html", "album/index.html", "album/person-0002.html"])
def test_it_opens_from_the_disk_and_a_phone_shows_it_whole(open_page: Any, file: str) -> None:
    page = open_page(file, viewport={"width": 390, "height": 844})
    assert all_loaded(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_boxes_are_switched_off_and_on(open_page: Any) -> None:
    page = open_page("report.html")
    box = page.locator(".boxes").first
    assert box.is_visible()
    page.get_by_text("Boxes and names").click()
    assert not box.is_visible()
    page.get_by_label("Boxes and names on photos").focus()
    page.keyboard.press("Space")
    assert box.is_visible()


def test_a_box_lies_on_the_face(open_page: Any) -> None:
    page = open_page("report.html")
    for figure in page.locator("figure").all()[:4]:  # upright and lying
        img, rect = figure.locator("img"), figure.locator("rect").first
        width, height = img.evaluate("i => [i.naturalWidth, i.naturalHeight]")
        frame, drawn = img.bounding_box(), rect.bounding_box()
        scale = min(frame["width"] / width, frame["height"] / height)
        left = frame["x"] + (frame["width"] - scale * width) / 2 + scale * 100
        top = frame["y"] + (frame["height"] - scale * height) / 2 + scale * 150
        assert abs(drawn["x"] - left) < 3
        assert abs(drawn["y"] - top) < 3


def test_a_photo_opens_and_closes_by_keys(open_page: Any) -> None:
    page = open_page("report.html")
    first = page.locator("#person-0001 .faces a").first
    first.focus()
    page.keyboard.press("Enter")
    shown = page.locator("figure:target")
    shown.wait_for()
    assert shown.get_by_text("Anna Berg").first.is_visible()
    assert shown.bounding_box() == {"x": 0, "y": 0, "width": 1280, "height": 900}
    before = shown.get_attribute("id")
    page.keyboard.press("ArrowRight")
    expect(shown).not_to_have_id(before)
    assert shown.count() == 1
    page.keyboard.press("Escape")
    expect(first).to_be_focused()
    assert page.locator("figure:target").count() == 0
    first.click()
    page.evaluate("history.back()")
    expect(page.locator("figure:target")).to_have_count(0)
    assert page.url.endswith("report.html")


def test_looking_needs_no_javascript(open_page: Any) -> None:
    page = open_page("report.html", java_script_enabled=False)
    assert not page.locator("#find").is_visible()
    page.locator(".covers a").first.click()
    assert page.url.endswith("#person-0001")
    page.locator("#person-0001 .faces a").first.click()
    assert page.locator("figure:target .close").is_visible()
    page.locator("figure:target .close").click()
    assert page.locator("figure:target").count() == 0
    page.get_by_text("Boxes and names").click()
    assert not page.locator(".boxes").first.is_visible()


def test_a_name_is_found_as_it_is_typed(open_page: Any) -> None:
    page = open_page("album/index.html")
    page.get_by_label("Find a name").fill("zoe")
    assert page.locator(".covers li:visible .name").all_inner_texts() == [NAMES[1]]
    page.get_by_label("Find a name").fill("nobody here")
    assert page.get_by_text("Nobody is called so.").is_visible()


def test_it_prints_covers_faces_and_photos(open_page: Any) -> None:
    page = open_page("report.html")
    page.emulate_media(media="print")
    assert not page.locator(".bar").is_visible()
    assert page.locator("figure").first.is_visible()
    assert len(page.pdf()) > 10_000


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="no pdftotext on this system")
@pytest.mark.parametrize("n_large", [1, 2, 3])
def test_small_people_share_a_sheet_and_no_name_stands_at_its_foot(
    open_page: Any, tmp_path: Path, n_large: int
) -> None:
    photo, box = tmp_path / "a.jpg", Box(100, 150, 220, 300)
    Image.new("RGB", (400, 400), "teal").save(photo)
    n_faces = [25] * n_large + [8] * 7 + [1] * 30
    everybody = [
        Person.of(
            f"person-{k:04d}",
            [
                PersonFace(f"{k}-{i}", str(photo), box, Pose(0, 0, 0), 0.9, core=True, confidence=99)
                for i in range(n)
            ],
            f"Name {k}",
        )
        for k, n in enumerate(n_faces, start=1)
    ]
    content = Content(everybody, {str(photo): Picture(400, 400)}, {}, 7)
    make(content, Look(), tmp_path / "r.html", AnyPicture(), as_folder=False, threads=1)
    open_page(tmp_path / "r.html").pdf(path=tmp_path / "r.pdf", format="A4")
    boxes = subprocess.run(
        ["pdftotext", "-bbox", "r.pdf", "-"], cwd=tmp_path, capture_output=True, check=True
    )
    sheets = [
        [(word, float(y)) for y, word in re.findall(r'yMin="([\d.]+)".*?>(.*?)</word>', sheet)]
        for sheet in boxes.stdout.decode().split("<page ")[1:]
    ]
    assert len(sheets) <= 4 + n_large
    assert all(sheets)
    words = [word.strip(",") for sheet in sheets for word, _ in sheet]
    assert words.count("37") == 3  # the cover, the person, the photo
    assert words.count("left") == 1
    names = [
        y for sheet in sheets for (_, y), (told, _) in zip(sheet, sheet[2:], strict=False) if told == "faces"
    ]
    assert max(names) < 842 - 110  # a row of faces has its place below


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("file", ["report.html", "album/person-0001.html"])
def test_axe_finds_nothing(browser: Any, reports: Path, file: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    page = browser.new_page(color_scheme=scheme, bypass_csp=True)
    page.goto((reports / file).as_uri())
    violations = axe.Axe().run(page).response["violations"]
    page.locator(".frame").first.click()
    violations += axe.Axe().run(page).response["violations"]
    page.close()
    assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == []
