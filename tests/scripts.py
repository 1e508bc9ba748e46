"""Scripts outside the package that tests use: those of benchmarks/, and the one that makes the cases of ../shared."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def load(file: Path) -> ModuleType:
    """Import a script, which may import those beside it; the test is skipped where it is not there."""
    if not file.is_file():
        pytest.skip(f"{file} is not there")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(file.parent))
    return module


def benchmark(name: str) -> ModuleType:
    """Import a script of benchmarks/."""
    return load(Path(__file__).parents[1] / "benchmarks" / f"{name}.py")


def cases(shared_data: Path) -> ModuleType:
    """Import the script that makes inputs which went wrong."""
    return load(shared_data.parent / "cases" / "make_cases.py")
