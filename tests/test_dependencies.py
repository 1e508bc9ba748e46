"""Every dependency is installed from requirements/, with a hash."""

from __future__ import annotations

import re
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def script() -> ModuleType:
    """scripts/dependencies as a module."""
    module = ModuleType("dependencies")
    module.__file__ = str(ROOT / "scripts" / "dependencies")
    exec(SourceFileLoader("dependencies", module.__file__).get_code("dependencies"), vars(module))
    return module


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(requirement: str) -> str:
    return normal(re.match(r"[\w.-]+", requirement)[0])


def locked(part: str) -> dict[str, str]:
    """Each requirement of a file by name, with its hashes; one that has several versions has all of them."""
    text = (ROOT / "requirements" / f"{part}.txt").read_text(encoding="utf-8")
    blocks = re.findall(r"(?m)^[^\s#].*(?:\n    .*)*", text)
    found: dict[str, str] = {}
    for block in blocks:
        found[name_of(block)] = found.get(name_of(block), "") + block
    return found


WANTED = {
    "build": PROJECT["build-system"]["requires"] + PROJECT["dependency-groups"]["build"],
    "dev": [
        *PROJECT["project"]["dependencies"],
        *(
            one
            for extra in ("dev", "review", "raw", "jxl")
            for one in PROJECT["project"]["optional-dependencies"][extra]
        ),
    ],
    "tools": PROJECT["dependency-groups"]["tools"],
}


@pytest.mark.parametrize("part", WANTED)
def test_what_the_project_wants_is_locked_with_hashes(part: str) -> None:
    found = locked(part)
    missing = {name_of(wanted) for wanted in WANTED[part]} - set(found)
    assert not missing, f"scripts/dependencies lock {' '.join(missing)}"
    for block in found.values():
        assert re.search(r"==.*\n    --hash=sha256:[0-9a-f]{64}", block), block


def test_versions_that_are_wanted_exactly_are_those() -> None:
    found = locked("dev")
    for wanted in WANTED["dev"]:
        name, exact, version = wanted.partition("==")
        assert not exact or f"{normal(name)}=={version}" in found[normal(name)], wanted


def test_everything_is_installed_with_hashes() -> None:
    setup = (ROOT / "scripts" / "setup").read_text(encoding="utf-8")
    assert "requirements/*.txt" in setup
    for part in ("build", "dev"):
        [line] = [
            line for line in setup.replace("\\\n", " ").splitlines() if f"requirements/{part}.txt" in line
        ]
        assert "--require-hashes --only-binary :all:" in line
    assert "install --no-index --no-deps --no-build-isolation --editable ." in setup


@pytest.mark.parametrize(
    ("packages", "code", "said"),
    [
        ([{"name": "a", "version": "1", "vulns": []}], 0, "advisories: 0 for 1 packages, by osv"),
        (
            [{"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "x"}],
            3,
            "does not know b",
        ),
        (
            [
                {
                    "name": "a",
                    "version": "1",
                    "vulns": [{"id": "X-1", "fix_versions": ["2"], "description": "bad"}],
                }
            ],
            1,
            "a 1: X-1: bad\n  mended in 2",
        ),
    ],
)
def test_advisories_are_told(
    packages: list[dict[str, object]], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script().tell(packages, "osv") == code
    printed = capsys.readouterr()
    assert said in printed.out + printed.err
