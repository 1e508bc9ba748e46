"""Emoji that are joined of several letters."""

from __future__ import annotations

JOINED = (
    "👨\u200d👩\u200d👧",  # a family, by joiners
    "👩🏽\u200d🚀",  # with the colour of a skin
    "👍🏿",
    "❤\ufe0f",  # drawn in colour by a selector
    "🏳\ufe0f\u200d🌈",
    "🇸🇪",  # a flag, by two letters
    "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",  # the flag of Scotland, by tags
)
