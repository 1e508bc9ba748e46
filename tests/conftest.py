from __future__ import annotations

import logging
import os
from collections.abc import Iterator
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
def _as_loud_as_before() -> Iterator[None]:
    """Take back what --quiet does to the messages of the process."""
    logger = logging.getLogger("facecluster")
    level, handlers = logger.level, list(logger.handlers)
    yield
    logger.setLevel(level)
    logger.handlers = handlers
