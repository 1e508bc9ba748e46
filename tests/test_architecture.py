"""The layers of DESIGN, read from the imports: a file imports its own layer or one before it, and never in a circle."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "facecluster"
LAYERS = [
    {"errors", "text"},
    {"durable", "packages", "progress", "workers"},
    {"photos", "table"},
    {"vision", "identity"},
    {"options", "result"},
    {"formats", "joined"},
    {"encoding", "render"},
    {"library"},
    {"review"},
    {"api"},
    {"cli"},
    {"__main__"},
]
LEVEL = {unit: level for level, units in enumerate(LAYERS) for unit in units}
FILES = sorted(PACKAGE.rglob("*.py"))


def unit_of(path: Path) -> str:
    """The file or folder right below the package that a file belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@cache
def imported(path: Path) -> frozenset[str]:
    """Every module that a file imports, anywhere in it, with full dotted names."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def units(path: Path) -> set[str]:
    """The units of facecluster that a file imports."""
    parts = [name.split(".") for name in imported(path)]
    return {name[1] for name in parts if name[0] == "facecluster" and len(name) > 1} & LEVEL.keys()


def test_every_unit_has_its_layer() -> None:
    assert {unit_of(path) for path in FILES} - {"__init__"} <= LEVEL.keys()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    unit = unit_of(path)
    if unit == "__init__":
        assert units(path) <= {"api"}  # for type checkers; see the next test
        return
    against = {other for other in units(path) if LEVEL[other] > LEVEL[unit]}
    assert not against, f"{path.name} imports {against}, which stand above {unit}"


def test_the_package_itself_imports_only_what_python_has_loaded_anyway() -> None:
    code = """
import __future__, importlib, sys, typing
before = set(sys.modules)
import facecluster
print(*set(sys.modules) - before)
"""
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert loaded.split() == ["facecluster"]


def test_no_two_units_import_each_other() -> None:
    graph = {unit: set[str]() for unit in LEVEL}
    for path in FILES:
        if (unit := unit_of(path)) in graph:
            graph[unit] |= units(path) - {unit}
    while leaves := {unit for unit, needs in graph.items() if not needs}:
        graph = {unit: needs - leaves for unit, needs in graph.items() if unit not in leaves}
    assert not graph, f"a circle of imports: {graph}"


def test_no_two_files_import_each_other() -> None:
    name_of = {
        path: ".".join(("facecluster", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
            ".__init__"
        )
        for path in FILES
    }
    # The package itself names what `api` has, for type checkers, and `api` needs no more of it than its version.
    names = set(name_of.values()) - {"facecluster"}
    graph = {
        name: {other for wanted in imported(path) for other in (wanted, wanted.rpartition(".")[0])}
        & names - {name}
        for path, name in name_of.items()
        if name in names
    }
    while leaves := {name for name, needs in graph.items() if not needs}:
        graph = {name: needs - leaves for name, needs in graph.items() if name not in leaves}
    assert not graph, f"a circle of imports: {graph}"


def test_vision_and_identity_do_not_know_each_other() -> None:
    for path in FILES:
        if unit_of(path) == "identity":
            assert units(path) <= {"identity", "errors", "table", "text"}, path
        if unit_of(path) == "vision":
            assert "identity" not in units(path), path


@pytest.mark.parametrize(
    ("library", "owners"),
    [
        ("click", {"cli"}),
        ("dlib", {"vision"}),
        ("onnx", {"vision"}),
        ("onnxruntime", {"vision"}),
        ("tflite", {"vision"}),
        ("imutils", {"render"}),
        ("sklearn", {"identity"}),
        ("scipy", {"identity"}),
        ("face_recognition_models", set()),
        ("face_recognition", set()),
    ],
)
def test_library_is_used_only_where_it_belongs(library: str, owners: set[str]) -> None:
    users = {unit_of(path) for path in FILES if library in {name.split(".")[0] for name in imported(path)}}
    assert users <= owners
