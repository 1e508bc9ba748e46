"""Numbers in words, the same wherever people read them."""

from __future__ import annotations


def many(number: int, one: str, several: str | None = None) -> str:
    """Count in words: "1 face", "2 faces", "3 people"."""
    return f"{number} {one if number == 1 else several or one + 's'}"
