"""What is found in photos stays here: the libraries that we load tell nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_ANALYSE = """
import time
from facecluster.vision.graphs import Graph
graph = Graph("n")
graph.session(graph.add("Relu", "input")).run(None, {"input": [1.0]})
time.sleep(0.2)
"""


def test_no_session_is_told_of(tmp_path: Path) -> None:
    """ONNX Runtime puts an id of the user into TMPDIR as soon as it means to tell of sessions."""
    subprocess.run([sys.executable, "-c", _ANALYSE], check=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert [*tmp_path.iterdir()] == []
