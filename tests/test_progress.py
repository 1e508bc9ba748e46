"""Bars on a terminal: none for short work, and messages above them in lines of their own."""

from __future__ import annotations

import io
import logging
import sys
from contextlib import redirect_stderr
from pathlib import Path

import pytest
from commands import seen_on_terminal
from PIL import Image

from facecluster import progress
from facecluster.cli.messages import AboveBars, close_bars


class Terminal(io.StringIO):
    """What a bar takes for a terminal."""

    def isatty(self) -> bool:
        return True

    def seen(self) -> list[str]:
        """The lines that are on the screen in the end."""
        lines = []
        for line in self.getvalue().split("\n"):
            shown: list[str] = []
            for part in line.split("\r"):
                shown[: len(part)] = part
            lines.append("".join(shown).rstrip())
        return lines


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture
def log(terminal: Terminal) -> logging.Logger:
    logger = logging.getLogger("test_progress")
    logger.handlers, logger.propagate = [AboveBars(terminal)], False
    return logger


@pytest.fixture
def long_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars take it that their delay is over."""
    monkeypatch.setattr(progress, "time", lambda: float("inf"))


@pytest.mark.parametrize("says", [False, True])
def test_short_work_shows_no_bar_also_where_it_says_something(
    says: bool, terminal: Terminal, log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "DELAY", 3600)
    with redirect_stderr(terminal), progress.bar(total=3, what="photos") as bar:
        for _ in range(3):
            bar.update()
            if says:
                log.warning("a.jpg: broken")
    assert terminal.getvalue() == 3 * says * "a.jpg: broken\n"


@pytest.mark.usefixtures("long_work")
def test_long_work_says_how_far_it_is_how_fast_and_how_long_it_takes(terminal: Terminal) -> None:
    with redirect_stderr(terminal), progress.bar(total=4, what="photos") as bar:
        bar.update(2)
        bar.refresh()
        assert " 50%|" in terminal.getvalue()
        assert " 2/4 [00:00<00:00, " in terminal.getvalue()
        assert " photos/s]" in terminal.getvalue()
    assert terminal.seen() == [""], "it is wiped in the end"


@pytest.mark.usefixtures("long_work")
def test_messages_are_lines_of_their_own_above_the_bar(terminal: Terminal, log: logging.Logger) -> None:
    with redirect_stderr(terminal), progress.bar(total=2, what="photos") as bar:
        bar.refresh()
        log.warning("a.jpg: broken")
        log.warning("b.jpg: broken")
        *above, last = terminal.seen()
        assert above == ["a.jpg: broken", "b.jpg: broken"]
        assert last.startswith("  0%|")
    assert terminal.seen() == ["a.jpg: broken", "b.jpg: broken", ""]


@pytest.mark.usefixtures("long_work")
def test_bar_of_what_failed_is_wiped_before_the_error(terminal: Terminal) -> None:
    with redirect_stderr(terminal):
        items = iter(progress.bar(["a", "b"], what="montages"))
    next(items)
    for bar in [*progress.Bar._instances]:
        bar.refresh()
    assert terminal.seen() != [""]
    close_bars()
    print("facecluster: error: disk full", file=terminal)
    assert terminal.seen() == ["facecluster: error: disk full", ""]


@pytest.mark.usefixtures("long_work")
def test_nothing_is_shown_where_nobody_looks() -> None:
    file, quiet = io.StringIO(), Terminal()
    with redirect_stderr(file):
        assert list(progress.bar(["a", "b"], what="photos")) == ["a", "b"]
    with redirect_stderr(quiet):
        assert list(progress.bar(["a", "b"], what="photos", shown=False)) == ["a", "b"]
    assert file.getvalue() == quiet.getvalue() == ""


# ------------------------------------------------------------------------------------------- on a real terminal

SIZES = [(24, 80), (0, 0)]
"""Rows and columns of a terminal; one that does not know them says 0."""


@pytest.mark.parametrize("size", SIZES)
def test_bar_is_drawn_when_its_delay_is_over_though_nothing_is_done_yet(size: tuple[int, int]) -> None:
    program = """
from time import sleep
from facecluster.progress import bar
with bar(total=7, what="photos"):
    sleep(1.5)
"""
    seen = seen_on_terminal([sys.executable, "-c", program], size)
    assert b"  0%|" in seen
    assert b"| 0/7 [00:" in seen
    assert seen.split(b"\r")[-2].strip() == seen.split(b"\r")[-1] == b"", "it is wiped in the end"


def test_bar_that_was_forgotten_draws_no_more() -> None:
    program = """
from time import sleep
from facecluster.progress import Bar, bar
bar(total=7, what="photos")
print("forgotten", len(Bar._instances))
sleep(1)
"""
    assert seen_on_terminal([sys.executable, "-c", program]) == b"forgotten 0\r\n"


@pytest.mark.parametrize(("verb", "size"), [*zip(["encode", "run"], SIZES, strict=True)])
def test_verbs_show_how_far_they_are(verb: str, size: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for i in range(3):
        Image.new("RGB", (900, 900), (80 * i, 100, 100)).save(tmp_path / "photos" / f"{i}.png")
    program = """
import sys
from facecluster import progress
from facecluster.cli import main
progress.DELAY = 0.001
main()
"""
    to = tmp_path / ("out" if verb == "run" else "faces.npz")
    seen = seen_on_terminal(
        [sys.executable, "-c", program, verb, tmp_path / "photos", "-o", to, "-j", "1"], size
    )
    assert b"| 0/3 [00:" in seen
    assert b" photos/s]" in seen
