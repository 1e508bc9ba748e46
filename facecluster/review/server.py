"""The page's addresses: JSON in and out, pictures, and the three files of the page.

GET never changes anything. What is decided is done by the library's own functions, and answered once it is on the disk.
Errors are {"error": sentence}: 400 the library refuses it, 404 there is no such thing, 409 another facecluster is at
work.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from facecluster.errors import FaceclusterError, PhotoError
from facecluster.library.history import lines
from facecluster.photos.moment import Moment
from facecluster.review import records
from facecluster.review.acts import GrownError, NamesakeError, act_of, answer_of
from facecluster.review.desk import BusyError, Decided, Desk
from facecluster.review.shelf import SORTS
from facecluster.review.thumbnails import Thumbnail, Thumbnails

if TYPE_CHECKING:
    from facecluster.review.view import View

_T = TypeVar("_T")

_PAGE = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/review.js": ("review.js", "text/javascript; charset=utf-8"),
    "/icons.svg": ("icons.svg", "image/svg+xml"),
}
"""File and type of what is in `page/`, by address."""

_MOST = 1000
"""Records on a page of a listing."""
_GREY = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" width="160" height="160">'
    b'<rect width="16" height="16" fill="#9aa0a6" fill-opacity=".25"/>'
    b'<path d="M4 12l8-8" stroke="#9aa0a6" stroke-width=".6"/></svg>'
)
"""What stands in the place of a photo that is gone, or is another one now."""


class Server:
    """The addresses of one library. Work is done in threads, so that no picture and no slow reader holds up others."""

    def __init__(self, desk: Desk, *, n_threads: int = 4) -> None:
        """Answer for a library.

        Args:
            desk: the library.
            n_threads: that make pictures.
        """
        self._desk = desk
        self._thumbnails = Thumbnails(
            desk.directory, lambda: desk.pictures, lambda: desk.contents, desk.knows
        )
        desk.when_read(self._thumbnails.keep_only)
        self._n_threads = n_threads
        self._pictures: anyio.CapacityLimiter | None = None

    def close(self) -> None:
        """Close the file of the pictures; the library is closed by who opened it."""
        self._thumbnails.close()

    def app(self) -> Starlette:
        """Give the app."""
        gets: dict[str, Callable[[Request, View], Any]] = {
            "/api/state": self._state,
            "/api/people": self._people,
            "/api/names": self._names,
            "/api/person/{id}": self._person,
            "/api/person/{id}/faces": self._faces,
            "/api/person/{id}/photos": self._photos,
            "/api/photos": self._all_photos,
            "/api/photo/{id}": self._photo,
            "/api/nobody": self._nobody,
            "/api/nobody/{id}": self._group,
            "/api/questions": self._questions,
            "/api/proposed": self._proposed,
            "/api/history": self._history,
        }
        routes = [Route(path, self._get(function), methods=["GET"]) for path, function in gets.items()]
        routes += [
            Route("/api/decide", self._post(self._decide), methods=["POST"]),
            Route("/api/answer", self._post(self._answer), methods=["POST"]),
            Route("/face/{id}", self._face_picture, methods=["GET"]),
            Route("/photo/{id}", self._photo_picture, methods=["GET"]),
        ]
        routes += [
            Route(path, partial(_page, name, kind), methods=["GET"]) for path, (name, kind) in _PAGE.items()
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: _http_error, Exception: _mistake})

    # --------------------------------------------------------------------------------------------- plumbing

    def _get(self, function: Callable[[Request, View], Any]) -> Callable[[Request], Awaitable[Response]]:
        """Answer with what a function gives, in a thread."""

        async def answer(request: Request) -> Response:
            def work() -> bytes:
                return _json(function(request, self._desk.look()))

            return await self._answered(work)

        return answer

    def _post(self, function: Callable[[Mapping[str, Any]], Any]) -> Callable[[Request], Awaitable[Response]]:
        """Answer with what a function of the JSON that is sent gives, in a thread."""

        async def answer(request: Request) -> Response:
            try:
                sent = json.loads(await request.body())
            except (ValueError, RecursionError):
                return _error(400, "what was sent is no JSON")
            if not isinstance(sent, dict):
                return _error(400, "send an object of JSON")
            return await self._answered(lambda: _json(function(sent)))

        return answer

    async def _answered(self, work: Callable[[], bytes]) -> Response:
        try:
            return Response(await anyio.to_thread.run_sync(work), media_type="application/json")
        except BusyError as error:
            return _error(409, str(error))
        except NamesakeError as error:
            namesake = records.person(error.view, error.namesake)
            return JSONResponse({"error": self._desk.said(error), "namesake": namesake}, 409)
        except GrownError as error:
            question = records.question(error.question)
            return JSONResponse({"error": self._desk.said(error), "question": question}, 409)
        except FaceclusterError as error:
            return _error(400, self._desk.said(error))

    # ---------------------------------------------------------------------------------------------- reading

    def _state(self, request: Request, view: View) -> dict[str, Any]:
        desk = self._desk
        path = str(desk.directory.absolute())
        return records.state(view, desk.name, path, saving=desk.is_saving, busy=desk.busy())

    def _people(self, request: Request, view: View) -> dict[str, Any]:
        only = _choice(request, "filter", records.FILTERS)
        if only == "almost":
            almost = records.almost_people(view)
            return {"version": view.version, "total": len(almost), "people": _cut(request, almost)}
        sort, query = _choice(request, "sort", records.SORTS), request.query_params.get("q", "")
        found = records.people(view, sort=sort, only=only, query=query)
        shown = [records.person(view, one) for one in _cut(request, found)]
        return {"version": view.version, "total": len(found), "people": shown}

    def _names(self, request: Request, view: View) -> dict[str, Any]:
        limit = _number(request, "limit", 8, _MOST)
        return {"names": records.names(view, request.query_params.get("q", ""), limit)}

    def _person(self, request: Request, view: View) -> dict[str, Any]:
        one = _found(view.people, request)
        encodings = self._desk.encodings()
        links = None if encodings is None else encodings.links(view.result, one)
        shown = () if links is None else filter(None, (links.weakest, links.seam))
        frames = self._frames(view, (own for pair in shown for own in (pair.a, pair.b)))
        return {"version": view.version} | frames | records.whole_person(view, one, links, view.past)

    def _faces(self, request: Request, view: View) -> dict[str, Any]:
        found = records.faces(
            view, _found(view.people, request), _choice(request, "sort", records.FACE_SORTS)
        )
        shown = [records.face(view, one) for one in _cut(request, found)]
        frames = self._frames(view, (one["id"] for one in shown))
        return {"version": view.version, "total": len(found), "faces": shown} | frames

    def _frames(self, view: View, ids: Iterable[str]) -> dict[str, Any]:
        return {"frames": records.frames(view, ids, lambda: self._desk.pictures)}

    def _photos(self, request: Request, view: View) -> dict[str, Any]:
        found = records.photos(view, _found(view.people, request))
        return {"version": view.version, "total": len(found), "photos": _cut(request, found)}

    def _all_photos(self, request: Request, view: View) -> dict[str, Any]:
        sort, only = _choice(request, "sort", SORTS), _choice(request, "only", records.PHOTO_FILTERS)
        query = request.query_params.get("query", "")
        found = records.all_photos(view, sort=sort, only=only, query=query)
        return {
            "version": view.version,
            "total": len(found),
            "searching": not view.shelf.is_read,
            "photos": [records.one_of_all(view, own) for own in view.shelf.ids[found[_part(request)]]],
        }

    def _photo(self, request: Request, view: View) -> dict[str, Any]:
        own, moment = _scene(view, request)
        size = self._thumbnails.size(view.paths[own], moment)
        return {"version": view.version} | records.photo(view, own, moment, size)

    def _nobody(self, request: Request, view: View) -> dict[str, Any]:
        groups = self._desk.strangers(view)
        found = groups or []
        return {
            "version": view.version,
            "total": len(found),
            "searching": groups is None,
            "groups": [records.group(one) for one in _cut(request, found)],
            "reasons": records.reasons(view.result.counts.unclustered),
        }

    def _group(self, request: Request, view: View) -> dict[str, Any]:
        groups = {one.id: one for one in self._desk.strangers(view) or ()}
        one = _found(groups, request)
        return self._frames(view, (face.id for face in one.faces)) | records.whole_group(view, one)

    def _questions(self, request: Request, view: View) -> dict[str, Any]:
        asked = self._desk.questions(_number(request, "number", 12, 100))
        sides = [side for one in asked.questions for side in (one.left, one.right) if side] if asked else []
        frames = self._frames(view, (own for side in sides for own in side.faces))
        return {"version": view.version} | frames | records.questions(asked)

    def _proposed(self, request: Request, view: View) -> dict[str, Any]:
        found = self._desk.proposed(request.query_params.get("question", ""))
        return {"version": view.version, "names": [records.proposed(view, one) for one in found]}

    def _history(self, request: Request, view: View) -> dict[str, Any]:
        of = request.query_params.get("of")
        told = view.lines
        if of is not None:
            whole = next((line for line in told if line.id == of), None)
            told = () if whole is None else lines(whole.past, every=True)
        return {
            "version": view.version,
            "total": len(told),
            "decisions": records.history(_cut(request, told[::-1])),
        }

    # --------------------------------------------------------------------------------------------- deciding

    def _decide(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        return _decided(self._desk.decide(act_of(sent, self._desk)))

    def _answer(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        return _decided(self._desk.decide(answer_of(sent, self._desk)))

    # --------------------------------------------------------------------------------------------- pictures

    async def _face_picture(self, request: Request) -> Response:
        side = _number(request, "s", 160, 10_000)

        def make() -> Thumbnail:
            view = self._desk.look()
            placed = _found(view.faces, request)
            paths = view.paths_of(placed.face)
            return self._thumbnails.face(placed.face, paths, side, _known(request))

        return await self._picture(make)

    async def _photo_picture(self, request: Request) -> Response:
        side = _number(request, "w", 1600, 10_000)

        def make() -> Thumbnail:
            view = self._desk.look()
            own, moment = _scene(view, request)
            return self._thumbnails.photo(own, view.paths[own], side, _known(request), moment)

        return await self._picture(make)

    async def _picture(self, make: Callable[[], Thumbnail]) -> Response:
        if self._pictures is None:
            self._pictures = anyio.CapacityLimiter(self._n_threads)
        try:
            found = await anyio.to_thread.run_sync(make, limiter=self._pictures)
        except PhotoError:
            return Response(_GREY, 404, media_type="image/svg+xml")
        headers = {"etag": f'"{found.key}"', "cache-control": "private, no-cache"}
        if found.jpeg is None:
            return Response(status_code=304, headers=headers)
        return Response(found.jpeg, media_type="image/jpeg", headers=headers)


def _known(request: Request) -> str | None:
    """The key of the picture that a browser has."""
    return request.headers.get("if-none-match", "").removeprefix("W/").strip('"') or None


async def _page(name: str, kind: str, request: Request) -> Response:
    """A file of the page."""
    file = resources.files("facecluster.review").joinpath("page", name)
    if not file.is_file():
        raise HTTPException(404)
    return Response(file.read_bytes(), media_type=kind)


def _decided(done: Decided) -> dict[str, Any]:
    return {
        "version": done.view.version,
        "said": records.spoken(done.before, done.corrected.said),
        "decisions": [one.id for one in done.corrected.decisions],
        "changed": [records.person(done.view, one) for one in done.changed],
        "gone": done.gone,
        "appeared": done.appeared,
        "undo": records.undo(done.view),
    }


# ----------------------------------------------------------------------------------------------- what is asked


def _found(known: Mapping[str, _T], request: Request) -> _T:
    """What the id in an address names.

    Raises:
        HTTPException: 404, there is no such thing.
    """
    try:
        return known[request.path_params["id"]]
    except KeyError:
        raise HTTPException(404) from None


def _scene(view: View, request: Request) -> tuple[str, Moment]:
    """Which photo an address names, and where in its file; see `View.scene`.

    Raises:
        HTTPException: 404, there is no such thing.
    """
    try:
        return view.scene(request.path_params["id"])
    except KeyError:
        raise HTTPException(404) from None


def _choice(request: Request, name: str, among: Sequence[str]) -> str:
    chosen = request.query_params.get(name, among[0])
    if chosen not in among:
        raise HTTPException(400, f"{name}: one of {', '.join(among)}")
    return chosen


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise HTTPException(400, f"{name}: a number from 0 up")
    return min(int(text), most)


def _cut(request: Request, all_of_them: Sequence[_T]) -> Sequence[_T]:
    """The page of a listing that is asked for."""
    return all_of_them[_part(request)]


def _part(request: Request) -> slice:
    """Which part of a listing is asked for."""
    start = _number(request, "offset", 0, 10**9)
    return slice(start, start + _number(request, "limit", 120, _MOST))


# ------------------------------------------------------------------------------------------------- what is said


_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def _json(record: Any) -> bytes:
    return _encode(record).encode("ascii")


def _error(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status)


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = {404: "there is no such thing here (any more)", 405: "that cannot be done here"}
    said = (
        error.detail if isinstance(error, HTTPException) and status == 400 else detail.get(status, "refused")
    )
    return _error(status, said)


async def _mistake(request: Request, error: Exception) -> Response:
    """Tell of what should not have happened; the terminal gets the whole of it."""
    return _error(500, "facecluster made a mistake; the terminal in which it runs says more")
