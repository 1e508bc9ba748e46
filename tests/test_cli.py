from __future__ import annotations

import errno
import json
import logging
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner
from commands import PROGRAM, on_terminal

from facecluster import __version__, cli
from facecluster.errors import FaceclusterError, ModelError, UsageError

HEAVY = {
    "numpy",
    "cv2",
    "onnxruntime",
    "onnx",
    "sklearn",
    "scipy",
    "PIL",
    "dlib",
    "imutils",
    "tqdm",
    "tflite",
}


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False, **options)


def test_help_lists_every_verb_with_its_line() -> None:
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for verb, line in cli.VERBS.items():
        assert re.search(rf"^  {verb} +{re.escape(line)}$", done.stdout, re.MULTILINE)


def test_console_script_and_module_are_the_same_program() -> None:
    script = Path(sys.executable).with_name("facecluster")
    if not script.exists():
        pytest.skip("facecluster is not installed in this environment")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == run("--version").stdout == f"facecluster {__version__}\n"


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_tells_its_own_help(verb: str) -> None:
    done = run(verb, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: python -m facecluster {verb} ")


def test_importing_the_command_line_imports_nothing_heavy() -> None:
    program = f"import sys, facecluster.cli; print(*({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_unknown_verb_is_wrong_usage() -> None:
    done = run("clutser")
    assert (done.returncode, done.stdout) == (2, "")
    assert "clutser" in done.stderr


@pytest.mark.parametrize(
    ("error", "exit_code", "message"),
    [
        (FaceclusterError("a.npz: broken"), 1, "facecluster: error: a.npz: broken\n"),
        (ModelError("no weights"), 1, "facecluster: error: no weights\n"),
        (UsageError("one of the two"), 2, "facecluster: error: one of the two\n"),
        (KeyboardInterrupt(), 130, "facecluster: interrupted\n"),
        (FileNotFoundError(errno.ENOENT, "No such file", "x"), 1, "facecluster: error: x: No such file\n"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            1,
            "facecluster: error: No space left on device\n",
        ),
    ],
)
def test_errors_of_a_verb_become_messages_and_exit_codes(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, exit_code: int, message: str
) -> None:
    @click.command()
    def fail() -> None:
        raise error

    monkeypatch.setitem(cli.VERBS, "fail", "Fail.")
    monkeypatch.setitem(sys.modules, "facecluster.cli.fail", SimpleNamespace(command=fail))  # type: ignore[arg-type]
    result = CliRunner().invoke(cli.main, ["fail"])
    assert (result.exit_code, result.output) == (exit_code, message)


def test_names_in_messages_cannot_move_the_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def fail() -> None:
        logging.getLogger("facecluster.x").warning("%s: odd\nbut there", "a\x1b[1m\r\udce9")
        raise FaceclusterError("b\x1b[1m\x9b.npz: broken;\n  mend it")

    monkeypatch.setitem(cli.VERBS, "fail", "Fail.")
    monkeypatch.setitem(sys.modules, "facecluster.cli.fail", SimpleNamespace(command=fail))  # type: ignore[arg-type]
    assert CliRunner().invoke(cli.main, ["fail"]).output == (
        "facecluster: a\\x1b[1m\\r\\udce9: odd\nbut there\n"
        "facecluster: error: b\\x1b[1m\\x9b.npz: broken;\n  mend it\n"
    )


def test_a_mistake_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(cli.VERBS, "fail", "Fail.")
    monkeypatch.setitem(sys.modules, "facecluster.cli.fail", SimpleNamespace(command=fail))  # type: ignore[arg-type]
    assert isinstance(CliRunner().invoke(cli.main, ["fail"]).exception, ZeroDivisionError)


def test_reader_that_closes_the_pipe_ends_the_program_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*PROGRAM, "models"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-"])
@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_closed_streams_are_no_error_of_the_program(closed: str) -> None:
    command = " ".join(shlex.quote(word) for word in [*PROGRAM, "models"])
    done = subprocess.run(f"{command} {closed}", shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_full_disk_on_standard_output_is_told() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*PROGRAM, "models"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith("facecluster: error: No space left on device\n")


def test_models_lists_every_weight_file() -> None:
    code, shown, stderr = on_terminal("models")
    assert (code, stderr) == (0, "")
    header, *rows = [re.split(r"  +", line) for line in shown.splitlines()]
    assert header == ["NAME", "FILE", "LICENCE", "SIZE", "SOURCE", "STATE"]
    assert [row[0] for row in rows] == [
        "yunet",
        "sface",
        "mesh",
        "dlib-resnet",
        "dlib-mmod",
        "dlib-5point",
        "age",
        "gender",
    ]
    assert all(len(row) == len(header) for row in rows)


def test_models_tells_a_pipe_the_same_as_json(tmp_path: Path) -> None:
    assert run("models").stdout == run("models", "--json").stdout
    assert json.loads(on_terminal("models", "--json")[1]) == json.loads(run("models").stdout)
    done = run("models", env=os.environ | {"FACECLUSTER_CACHE": str(tmp_path)})
    records = {record["name"]: record for record in json.loads(done.stdout)}
    assert records["sface"]["licence"] == "Apache-2.0"
    assert records["sface"]["state"] == "missing"
    assert records["sface"]["path"] == str(tmp_path / records["sface"]["file"])


def test_models_fetch_without_an_index_fails_with_a_message(tmp_path: Path) -> None:
    alone = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}
    done = run("models", "fetch", env=os.environ | alone | {"FACECLUSTER_CACHE": str(tmp_path)})
    assert (done.returncode, done.stdout) == (1, "")
    assert "facecluster: error: face_detection_yunet_2023mar_int8bq.onnx: these weights" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["run", ".", "-o", ""], ["cluster", "faces.npz", "-o", ""], ["watch", ".", "--into", ""], ["show", ""],
     ["explain", "", "a.jpg"], ["show", "", "Anna"]],
)  # fmt: skip
def test_empty_name_is_not_the_current_folder(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(cli.main, arguments)
    assert found.exit_code == 2
    assert "is a variable unset?" in found.stderr
    assert not list(tmp_path.iterdir())
