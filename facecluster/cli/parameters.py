"""Kinds of arguments that click has not, and what the options of a library are called."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

FLAGS = {
    "min_images": "--min-images",
    "min_size_px": "--min-size",
    "max_angle_deg": "--max-angle",
    "min_quality": "--min-quality",
    "eps": "--eps",
    "min_samples": "--min-samples",
    "same_photo": "--same-photo",
    "video": "--video",
    "link": "--link",
}
"""The option of each field of `Choices`, but for the gate, which has two."""


class FloatRange(click.FloatRange):
    """A range of numbers that are finite: click's takes nan for one, which is neither too low nor too high."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Make a number of what was given, or fail."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


class Folder(click.Path):
    """A folder, there or not yet: click's takes an empty name, as an unset variable gives, for the current one."""

    def __init__(self) -> None:
        """Give a `Path`."""
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Make a path of what was given, or fail."""
        if value == "":
            self.fail("an empty name; is a variable unset?", param, ctx)
        return super().convert(value, param, ctx)
