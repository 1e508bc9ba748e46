from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The labelled photos beside the project: ../shared/data, or the folder that FACECLUSTER_SHARED names."""
    folder = Path(os.environ.get("FACECLUSTER_SHARED", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(
            f"no labelled photos: {folder} is not there, and FACECLUSTER_SHARED names no other folder"
        )
    return folder


@pytest.fixture(autouse=True)
def _messages() -> None:
    """Take back what the command line of an earlier test did to the messages of the process, as with --quiet."""
    logger = logging.getLogger("facecluster")
    logger.setLevel(logging.NOTSET)
    logger.handlers = []


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep to what a test says, whatever settings the person who runs it has in a file."""
    monkeypatch.setenv("FACECLUSTER_CONFIG", "")
