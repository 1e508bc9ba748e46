from __future__ import annotations

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
