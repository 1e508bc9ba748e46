"""Numbers and texts as people read them, the same everywhere."""

from __future__ import annotations


def many(number: int, one: str, several: str | None = None) -> str:
    """Count in words: "1 face", "2 faces", "3 people"."""
    return f"{number} {one if number == 1 else several or one + 's'}"


def printable(text: str) -> str:
    """Escape what would move the cursor, or is no text."""
    return "".join(c if c.isprintable() or c == "\xa0" else ascii(c)[1:-1] for c in text)
