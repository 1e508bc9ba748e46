"""What is printed is safe to look at, whatever photos and people are called, and whatever it is printed to."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from commands import PROGRAM, on_terminal, seen_on_terminal
from libraries import cluster_table
from tables import make_table, people

from facecluster.cli import VERBS, main
from facecluster.formats import face_table
from facecluster.formats.labels_csv import read_labels
from facecluster.text import from_cell, to_cell
from scripts import benchmark

FORMULAS = ["=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "'=1", "''@x"]
HARMLESS = ["", "Anna", "'", "''", "'Anna'", "O'Neill", "a=b", "1", "/photos/=1.jpg", "é"]


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    assert to_cell(text) == "'" + text
    assert from_cell(to_cell(text)) == text


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_is_as_it_was(text: str) -> None:
    assert to_cell(text) == text
    assert from_cell(text) == text


def test_labels_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    texts = [text for text in FORMULAS + HARMLESS if text == text.strip() != ""]
    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines)
        writer.writerow(["face", "label"])
        writer.writerows((to_cell(f"-{i}"), to_cell(text)) for i, text in enumerate(texts))
    labels = read_labels(file)
    assert labels.labels == texts
    assert labels.names == [f"-{i}" for i in range(len(texts))]


PHOTO = "a\x1b[31m\nb.png"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library of two people; one has a name that is a formula, and a photo with an escape sequence in its name."""
    paths = [str(tmp_path / name) for name in (PHOTO, "1.png", "2.png", "3.png", "4.png", "5.png", "6.png")]
    table = make_table(people(2, 4)[[0, 1, 2, 3, 4, 5, 6]], paths=paths, photos={"size": [[400, 400]] * 7})
    table.faces.pose[:, 1] = np.float32(-12.5)
    (tmp_path / "out").mkdir()
    face_table.write(table, tmp_path / "out" / "faces.npz")
    cluster_table(table, tmp_path / "out", source=str(tmp_path / "out" / "faces.npz"))
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["name", "out", "person-0001", FORMULAS[0]]).exit_code == 0
    return tmp_path / "out"


def printed(*arguments: str) -> str:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("arguments", [["show", "out"], ["show", "out", "--photos"]])
def test_no_cell_of_a_table_is_a_formula_and_numbers_stay_numbers(
    arguments: list[str], library: Path
) -> None:
    rows = list(csv.DictReader(io.StringIO(printed(*arguments, "--format", "csv"))))
    assert "'" + FORMULAS[0] in [row["name"] for row in rows]
    for row in rows:
        for cell in row.values():
            assert cell[:1] not in ("=", "+", "@", "\t", "\r")
            assert cell[:1] != "-" or float(cell) < 0
    assert "yaw" not in rows[0] or {row["yaw"] for row in rows} == {"-12.5"}


@pytest.mark.parametrize(("form", "what"), [("csv", "--photos"), ("paths", "--photos"), ("csv", "--nobody")])
def test_terminal_gets_no_escape_sequence_and_a_pipe_the_very_bytes(
    form: str, what: str, library: Path
) -> None:
    arguments = ["show", "out", what, "--format", form]
    code, shown, stderr = on_terminal(*arguments)
    assert (code, "\x1b" in shown + stderr) == (0, False)
    if what == "--photos":
        assert "a\\x1b[31m\\nb.png" in shown
        assert PHOTO in printed(*arguments)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_letters_that_an_output_lacks_are_escaped(encoding: str, library: Path) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    command = [*PROGRAM, "name", "out", "person-0002", "Zoë \U0001f600"]
    done = subprocess.run(command, capture_output=True, env=environment, check=True)
    name = {"ascii": rb"Zo\xeb \U0001f600"}.get(encoding, b"Zo\xeb \\U0001f600")
    assert name in done.stderr
    assert b"Traceback" not in done.stderr


def test_sentences_too(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert CliRunner().invoke(main, ["name", "out", "person-0002", "Zoë \U0001f600"]).exit_code == 0
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    shown = seen_on_terminal([*PROGRAM, "list", "out"]).decode()
    assert r"Zo\xeb \U0001f600" in shown


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("odd", "why"), [("a\0b", r"a\x00b: has a zero byte"), ("\ud800", r"\ud800: is no text")]
)
def test_argument_that_no_system_can_have_is_refused(verb: str, odd: str, why: str) -> None:
    for arguments in ([verb, odd], [verb, "--config", odd], [odd]):
        done = CliRunner().invoke(main, arguments)
        assert (done.exit_code, done.stdout) == (2, "")
        assert done.stderr.startswith(f"facecluster: error: {why}")


CHEAP = tuple(
    verb
    for verb in VERBS
    if verb not in ("encode", "check", "run", "watch", "models", "cluster", "review")  # or endless
)


def test_odd_arguments_end_with_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them in benchmarks/odd_arguments.py."""
    odd_arguments = benchmark("odd_arguments")
    monkeypatch.chdir(tmp_path)
    fresh = odd_arguments.make(tmp_path / "fresh")
    for line in odd_arguments.calls(60, 7, CHEAP):
        done = odd_arguments.called(line, fresh)
        assert not odd_arguments.is_bad(done), (line, done.exit_code, done.exception, done.output)


needs_signals = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")


def started() -> subprocess.Popen[str]:
    """The program, waiting for photos to be named."""
    command = [*PROGRAM, "encode", "-", "-o", "new.npz"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, **pipes)


@needs_signals
def test_ctrl_c_while_python_ends_leaves_the_exit_code_as_it_is() -> None:
    program = """
import os, signal, sys
from facecluster.__main__ import main

class Last:
    def __del__(self, kill=os.kill, process=os.getpid(), number=signal.SIGINT):
        kill(process, number)

last = Last()
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv = ["facecluster", "list", "no such library"]
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


@needs_signals
@pytest.mark.parametrize(
    ("name", "after"), [("SIGINT", 0.3), ("SIGINT", 1.5), ("SIGTERM", 1.5), ("SIGHUP", 1.5)]
)
def test_signal_ends_in_a_line(
    name: str, after: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    number = getattr(signal, name)
    with started() as process:
        time.sleep(after)
        process.send_signal(number)
        said = process.communicate(timeout=60)
    assert (process.returncode, *said) == (128 + number, "", "facecluster: interrupted\n")
    assert list(tmp_path.iterdir()) == []


@needs_signals
def test_hangup_that_is_ignored_stays_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        process = started()
    finally:
        signal.signal(signal.SIGHUP, before)
    with process:
        time.sleep(0.5)
        process.send_signal(signal.SIGHUP)
        said = process.communicate("", timeout=60)
    assert process.returncode in (0, 1, 2), said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["show", "--help"], ["models", "--json"]])
def test_full_output_is_told(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "facecluster: error: No space left on device\n")


def test_nothing_heavy_is_loaded_before_signals_are_heeded() -> None:
    program = (
        "import sys; before = set(sys.modules); import facecluster.__main__; print(set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"typing", "click", "importlib.util"} & set(eval(done.stdout))
