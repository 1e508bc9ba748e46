from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import reset_messages
from warm import WarmPool

from facecluster import workers

ROOT = Path(__file__).resolve().parent.parent

# Processes of tests share the cores. Threads of linear algebra that wait for one another there take ten times as long
# as one alone. This is read where NumPy is loaded, which nothing has done yet.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The labelled photos beside the project: ../shared/data, or the folder that FACECLUSTER_SHARED names."""
    folder = Path(os.environ.get("FACECLUSTER_SHARED", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(
            f"no labelled photos: {folder} is not there, and FACECLUSTER_SHARED names no other folder"
        )
    return folder


CHROMIUMS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
    "microsoft-edge",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A browser of this system. There is one for all tests of a process, as Playwright starts no second one there."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the extra [dev] is not installed")
    path = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(CHROMIUMS)} is on the PATH")
    # What a page asks of the browser must not take a test longer than this.
    playwright.expect.set_options(timeout=10_000)
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(autouse=True)
def _messages() -> None:
    """Have nothing left of what earlier tests called."""
    reset_messages()


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep to what a test says, whatever settings the person who runs it has in a file."""
    monkeypatch.setenv("FACECLUSTER_CONFIG", "")


@pytest.fixture(autouse=True)
def _warm_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let calls within a process of tests share worker processes; a program that a test starts has its own."""
    monkeypatch.setattr(workers, "_Pool", WarmPool)
