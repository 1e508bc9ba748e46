"""Texts as people get them."""

from __future__ import annotations

import pytest
from emoji import JOINED

from facecluster.text import fold, printable, quoted, some, without


@pytest.mark.parametrize("emoji", JOINED)
def test_joined_emoji_stay_as_they_are(emoji: str) -> None:
    for text in (emoji, f"{emoji} Family", f"a{emoji}{emoji}\xa0b"):
        assert printable(text) == text
    assert printable(f"{emoji}\n\x1b[31m{emoji}") == f"{emoji}\\n\\x1b[31m{emoji}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\U000e0067\U000e007f", "\\U000e0067\\U000e007f"),
        ("a\U000e0067\U000e0062\U000e0065\U000e007f", "a\\U000e0067\\U000e0062\\U000e0065\\U000e007f"),
        ("🏴\U000e0067\U000e0062\U000e0065", "🏴\\U000e0067\\U000e0062\\U000e0065"),  # not ended
        ("🏴\U000e007f", "🏴\\U000e007f"),
        ("🏴" + 7 * "\U000e0067" + "\U000e007f", "🏴" + 7 * "\\U000e0067" + "\\U000e007f"),  # hides a text
        ("🏴\U000e0047\U000e0042\U000e0045\U000e007f", "🏴\\U000e0047\\U000e0042\\U000e0045\\U000e007f"),
        ("a\u202eb", "a\\u202eb"),
        ("\ud800", "\\ud800"),
    ],
)
def test_unseen_letters_outside_of_a_flag_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_unseen_letters_make_no_other_name() -> None:
    assert fold("❤\ufe0f Bea") == fold("❤ bea ")
    assert fold("👨\u200d👩\u200d👧") == fold("👨👩👧")
    assert fold(JOINED[-1]) != fold("🏴")


def test_what_is_too_much_is_counted() -> None:
    assert [some(["a", "b", "c"], n) for n in (1, 2, 3, 4)] == [
        "a, 2 more",
        "a, b, 1 more",
        "a, b, c",
        "a, b, c",
    ]
    assert some([], 3) == ""
    assert some(["a", "b"], 1, "; ") == "a; 1 more"
    assert quoted(["Chirac", "Laura\n"]) == ["Chirac", "Laura\\n"]
    assert quoted(["Chirac, Jacques", "Laura Bush"]) == ['"Chirac, Jacques"', '"Laura Bush"']


def test_photos_whose_faces_are_forgotten_are_counted_apart() -> None:
    assert without(0, 0) == "0 without a face"
    assert without(3, 0) == "3 without a face"
    assert without(3, 2) == "1 without a face, 2 whose faces are forgotten"
