"""Call every verb with odd values for its arguments, in one process.

    python benchmarks/odd_arguments.py [CALLS [SEED]]

Prints how many calls ended with which exit code, and each call that ended with a traceback or another code than 0, 1, 2
or 3. Bound: none does.
"""

from __future__ import annotations

import collections
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from click.testing import CliRunner, Result

from facecluster.cli import main

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from commands import CALLS

ODD = (
    "", " ", "-", "--", "-1", "0", "1", "2", "1e309", "nan", "-inf", "0.5", "99999999999999999999", "a\0b", "\0",
    "\ud800",
    "a\udcff.jpg", "\U0001f600", "=cmd|' /C calc'!A0", "../..", "/", "/dev/null", "/proc/self/mem", "~", "*", "x" * 300,
    "a\nb", "\x1b[31m", "\u202e", "'", '"', "%s%n", "{}", "a/b", "C:\\x", "person-0001", "person-0001#1", "nobody",
    "no-such-person", "out", "out/clusters.json", "out/faces.npz", "out/decisions.jsonl", "photos", "photos/0.png",
    "json", "none", "folder", "names", "2024-13-99",
)  # fmt: skip
"""Values that nobody means, and a few that somebody could."""
NEVER = {"--exec", "--help", "--jobs", "--version"}
"""Options that would run a program, end at once, or start processes."""
SOUND = CALLS | {"encode": ["photos", "-o", "new.npz", "-j", "1"], "forget": [*CALLS["forget"], "-y"]}
"""What makes sense, of each verb."""


def calls(number: int, seed: int, verbs: Sequence[str] = tuple(SOUND)) -> Iterator[list[str]]:
    """Give command lines: one that makes sense, with an argument that is odd, or with a few options more."""
    dice = random.Random(seed)
    for i in range(number):
        verb = verbs[i % len(verbs)]
        line = [verb, *SOUND[verb]]
        if len(line) > 1 and dice.random() < 0.5:
            line[dice.randrange(1, len(line))] = dice.choice(ODD)
        for _ in range(dice.randint(0, 2)):
            line += option(verb, dice)
        if dice.random() < 0.1:
            line.append(dice.choice(ODD))
        yield line


def option(verb: str, dice: random.Random) -> list[str]:
    """Give an option of a verb, with a value that fits its kind in two of three cases."""
    command = main.get_command(click.Context(main), verb)
    assert command is not None
    options = [one for one in command.params if isinstance(one, click.Option) and NEVER.isdisjoint(one.opts)]
    chosen = dice.choice(options)
    name = dice.choice([*chosen.opts, *chosen.secondary_opts])
    if chosen.is_flag:
        return [name]
    fitting = {click.Choice: getattr(chosen.type, "choices", ()), click.IntRange: ("1", "2", "3")}
    values = [
        dice.choice(fitting.get(type(chosen.type), ODD) if dice.random() < 2 / 3 else ODD)
        for _ in range(chosen.nargs)
    ]
    return [name, *values]


def is_bad(done: Result) -> bool:
    """Whether a call ended as none should."""
    return done.exit_code not in (0, 1, 2, 3) or not isinstance(done.exception, SystemExit | None)


def called(line: list[str], fresh: Path) -> Result:
    """Call the program in a folder as it was made."""
    here = Path.cwd() / "here"
    shutil.rmtree(here, ignore_errors=True)
    shutil.copytree(fresh, here, symlinks=True)
    before = Path.cwd()
    os.chdir(here)
    try:
        return CliRunner().invoke(main, line)
    finally:
        os.chdir(before)


def make(folder: Path) -> Path:
    """Lay a folder with a library and its photos."""
    from libraries import cluster_table
    from PIL import Image
    from tables import make_table, people

    from facecluster.formats import face_table

    (folder / "photos").mkdir(parents=True)
    for i in range(7):
        Image.new("RGB", (80, 80), (30 * i, 100, 100)).save(folder / "photos" / f"{i}.png")
    paths = [str(folder / "photos" / f"{i}.png") for i in range(7)]
    table = make_table(people(2, 4)[[0, 1, 2, 3, 4, 5, 6]], paths=paths, photos={"size": [[400, 400]] * 7})
    (folder / "out").mkdir()
    face_table.write(table, folder / "out" / "faces.npz")
    cluster_table(table, folder / "out", source=str(folder / "out" / "faces.npz"))
    return folder


def report(number: int, seed: int) -> None:
    """Print what came of so many calls."""
    codes: collections.Counter[int] = collections.Counter()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        fresh = make(Path(folder) / "fresh")
        for line in calls(number, seed):
            done = called(line, fresh)
            codes[done.exit_code] += 1
            if is_bad(done):
                print(ascii(line), done.exit_code, ascii(done.exception))
                if done.exc_info is not None:
                    print("".join(traceback.format_exception(*done.exc_info)[-6:]))
        os.chdir("/")
    print(f"{number} calls in {time.perf_counter() - start:.0f} s; exit codes {dict(sorted(codes.items()))}")


if __name__ == "__main__":
    report(int(sys.argv[1]) if len(sys.argv) > 1 else 3000, int(sys.argv[2]) if len(sys.argv) > 2 else 1)
