"""Photos in, people out: find the faces in folders of photos, and group them by person.

    import facecluster as fc

    table = fc.encode("photos")                # or fc.read("faces.npz"), and fc.write(table, "faces.npz")
    people = fc.cluster(table)                 # or fc.read_people("results"), as facecluster run left them
    answers = fc.search("door.jpg", people)
    library = fc.open("people")                # a folder of people that is kept: run, name, merge, undo, forget, ...

All of it is in `facecluster.api`, which is loaded, with NumPy and the networks' libraries, when it is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in `typing`, which takes a while to load
if TYPE_CHECKING:
    from typing import Any

    from facecluster.api import (
        Clustering,
        Evaluation,
        FaceclusterError,
        Faces,
        FaceTable,
        Library,
        Match,
        People,
        Person,
        Photos,
        Query,
        cluster,
        encode,
        evaluate,
        open,
        read,
        read_people,
        search,
        write,
    )

__version__ = "0.1.0"

__all__ = [
    "Clustering",
    "Evaluation",
    "FaceTable",
    "FaceclusterError",
    "Faces",
    "Library",
    "Match",
    "People",
    "Person",
    "Photos",
    "Query",
    "cluster",
    "encode",
    "evaluate",
    "open",
    "read",
    "read_people",
    "search",
    "write",
]


def __getattr__(name: str) -> Any:
    """Load what is asked for: programs that start fast, as `facecluster --help`, do not wait for it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.api"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
