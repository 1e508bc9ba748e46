from __future__ import annotations

import subprocess
import sys

import pytest
from emoji import JOINED

from facecluster.render.columns import aligned, end_of, n_cells, wrapped


def test_columns_are_as_wide_as_their_widest_cell_and_two_spaces_apart() -> None:
    assert aligned([("a", "bb", "c"), ("aaa", "b", "ccc")]) == ["a    bb  c", "aaa  b   ccc"]
    assert aligned([("a", "bb", "c"), ("aaa", "b", "ccc")], right=(0, 2)) == ["  a  bb    c", "aaa  b   ccc"]
    assert aligned([("a", "b")], right=(0,), least=(3, 9)) == ["  a  b"]
    assert aligned([("a",), ("b",)]) == ["a", "b"]
    assert aligned([]) == []


def test_cells_of_a_terminal_are_counted_and_not_letters() -> None:
    rows = [("山田", "x"), ("Zoe\u0301", "x"), ("Zoé", "x"), ("名", "x"), ("\u200bab", "x")]
    assert aligned(rows) == ["山田  x", "Zoe\u0301   x", "Zoé   x", "名    x", "\u200bab    x"]
    assert [n_cells(text) for text, _ in rows] == [4, 3, 3, 2, 2]


def test_cells_stay_as_they_are() -> None:
    """No markup is taken out, nothing is escaped, cut or turned into a number."""
    cells = ("[b]x[/b]", "1e3", " a  b ", "0012", "<i>&amp;", "x" * 500)
    assert aligned([cells]) == ["  ".join(cells)]


def test_empty_last_cells_leave_no_spaces() -> None:
    assert aligned([("aa", "b", ""), ("a", "", ""), ("a", "", "c")]) == ["aa  b", "a", "a      c"]


def test_last_column_of_a_limited_width_loses_its_start() -> None:
    path = "/photos/" + "x" * 40 + "/end.jpg"
    (line,) = aligned([("person-0001", path)], width=50)
    assert (len(line), line) == (50, "person-0001  …" + path[-36:])
    (line,) = aligned([("person-0001", path)], width=10)
    assert line == "person-0001  …" + path[-19:]  # so much is shown in any case
    assert aligned([("a", "short")], width=50) == ["a  short"]


@pytest.mark.parametrize("text", ["abcdefghij", "日本語日本", "éééééééééé", "e\u0301" * 10])
def test_end_is_as_wide_as_there_is_room(text: str) -> None:
    for width in range(2, 10):
        shown = end_of(text, width)
        assert n_cells(shown) == width
        assert shown.startswith("…")
        assert text.endswith(shown[1:].strip())
    assert end_of(text, 10) == text


@pytest.mark.parametrize("emoji", JOINED)
def test_emoji_are_two_cells_and_never_cut(emoji: str) -> None:
    assert n_cells(emoji) == 2
    assert aligned([(emoji, "x"), ("ab", "y")]) == [f"{emoji}  x", "ab  y"]
    text = "abc" + 4 * emoji
    for width in range(3, 11):
        shown = end_of(text, width)
        assert n_cells(shown) == width
        assert shown.lstrip("…abc ") == (width - 1) // 2 * emoji
    assert wrapped(f"{4 * emoji} ab", 5) == [2 * emoji, 2 * emoji, "ab"]
    assert wrapped(f"one {emoji} two", 6, indent="  ") == [f"one {emoji}", "  two"]


def test_lines_are_as_wide_as_there_are_cells_and_not_letters() -> None:
    assert wrapped("日本 語日 本語", 9) == ["日本 語日", "本語"]
    assert wrapped("one two", 5, indent=" ") == ["one", " two"]
    assert wrapped("a-b a-b", 4) == ["a-b", "a-b"]
    assert wrapped("  one two", 7) == ["  one", "two"]
    assert wrapped("", 7) == []


def test_plain_letters_need_no_tables_of_unicode() -> None:
    code = (
        "import sys; from facecluster.render.columns import aligned, end_of;"
        "aligned([('Zoë Müller', 'a')]); end_of('photo.jpg', 5);"
        "print('wcwidth' in sys.modules, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
