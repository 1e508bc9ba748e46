"""Every verb: a terminal gets sentences, a pipe gets JSON, and a terminal with --json what a pipe gets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from commands import CALLS, on_terminal
from libraries import cluster_table
from PIL import Image
from tables import make_table, people

from facecluster.cli import VERBS, main
from facecluster.formats import face_table

"""Of each verb, but for encode, whose data is a face table."""
NOTHING_TO_TELL = {"diff", "audit", "watch"}
"""They have no line for standard output here: nothing differs, nothing is filed wrong, nobody came."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with photos of two people, their library, and something decided in it."""
    (tmp_path / "photos").mkdir()
    paths = [str(tmp_path / "photos" / f"{i}.png") for i in range(7)]
    for i, path in enumerate(paths):
        Image.new("RGB", (400, 400), (30 * i, 100, 100)).save(path)
    (tmp_path / "photos" / "0.png.json").write_text('{"title": "0.png", "people": [{"name": "Anna"}]}')
    table = make_table(people(2, 4)[[0, 1, 2, 3, 4, 5, 6]], paths=paths, photos={"size": [[400, 400]] * 7})
    (tmp_path / "out").mkdir()
    face_table.write(table, tmp_path / "out" / "faces.npz")
    cluster_table(table, tmp_path / "out", source=str(tmp_path / "out" / "faces.npz"))
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["name", "out", "person-0002", "Bert"]).exit_code == 0
    return tmp_path


def parsed(text: str) -> list[Any]:
    """The JSON of a pipe: one document, or one a line."""
    try:
        return [json.loads(text)]
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.splitlines()]


def test_every_verb_is_looked_at() -> None:
    assert set(CALLS) == set(VERBS) - {"encode", "review"}


@pytest.mark.parametrize("verb", CALLS)
def test_every_verb_has_json(verb: str) -> None:
    command = main.get_command(click.Context(main), verb)
    assert command is not None
    assert "--json" in [name for option in command.params for name in option.opts]


@pytest.mark.parametrize("verb", CALLS)
def test_a_terminal_gets_no_json_and_a_pipe_nothing_else(verb: str, here: Path) -> None:
    shutil.copytree(here / "out", here / "kept", symlinks=True)
    code, shown, stderr = on_terminal(verb, *CALLS[verb])
    assert "Traceback" not in stderr
    assert not any(line.lstrip().startswith(("{", "[{", "[]", '"')) for line in shown.splitlines())
    assert shown or (verb in NOTHING_TO_TELL) or verb == "run"
    shutil.rmtree(here / "out")
    shutil.rmtree(here / "new", ignore_errors=True)
    (here / "kept").rename(here / "out")
    done = CliRunner().invoke(main, [verb, *CALLS[verb]])
    assert done.exit_code == code, done.output
    assert parsed(done.stdout) or verb in ("watch", "unhide")  # nobody is hidden there


@pytest.mark.parametrize(
    "verb", ["show", "list", "evaluate", "explain", "search", "history", "check", "diff", "models"]
)
def test_a_terminal_with_json_gets_what_a_pipe_gets(verb: str, here: Path) -> None:
    _, shown, _ = on_terminal(verb, *CALLS[verb], "--json")
    assert parsed(shown) == parsed(CliRunner().invoke(main, [verb, *CALLS[verb]]).stdout)
