"""What may stand in a file of settings, and what stands there: TOML, checked against the options of the verbs."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import click

from facecluster.errors import UsageError
from facecluster.text import printable

_ALL = "all"
"""The table of all verbs."""
NAME_THE_LIBRARY = ("output", "directory", "source", "targets", "first")
"""Parameters that name the library, or a file in its folder; a verb has one of them at most."""
ONCE = {
    "yes": "it answers a question in your place",
    "prune": "it lets photos go for good",
    "default-settings": "it drops what the library remembers",
    "table-gone": "it says of one library what may not be true of the next",
    "config": "a file does not name the next one",
}
"""Settings that nobody should make for all times, and why."""
_FORGET = "what was forgotten does not come back"
_ONCE_IN = {
    "forget": {"person": _FORGET, "photo": _FORGET, "label": _FORGET},
    "undo": {"n": "each undo takes back something else"},
}
"""The same, of one verb."""
_NOT_IN_LIBRARY = {"exec": "a library may come from somebody else, and this runs a program"}
"""Settings that do not count in a library's own file, and why."""
_PLACES = {"FILE", "DIR", "CSV", "RESULT", "LIBRARY"}
"""Words of a metavar that stand for a path."""


@dataclass(frozen=True)
class Setting:
    """A setting of a file.

    Attributes:
        key: the option's long name, without dashes.
        value: as click takes it from a command line, or true or false.
        file: where it stands.
        options: how the option may be written on the command line.
    """

    key: str
    value: Any
    file: Path
    options: tuple[str, ...]


def _read(file: Path) -> dict[str, Any]:
    """Read the tables of a file.

    Raises:
        UsageError: it cannot be read, or is no TOML; the message has the line.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: is not in UTF-8; save it in that encoding") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: is no TOML: {error}") from error


def settings_in(
    file: Path, ctx: click.Context, line: click.Context, verb: str, *, of_library: bool = False
) -> dict[str, Setting]:
    """Read what a file says about a verb, by name of the parameter.

    Args:
        file: it is there.
        ctx: of the program.
        line: of the verb.
        verb: its name.
        of_library: the file lies in the library that the verb is about.

    Raises:
        UsageError: as `_read` raises it; a table or a key is not known, or a value does not fit.
    """
    tables: dict[str, dict[str, Any]] = {}
    verbs = ctx.command.list_commands(ctx) if isinstance(ctx.command, click.Group) else []
    for name, table in _read(file).items():
        if not isinstance(table, dict):
            raise UsageError(
                f"{file}: {printable(name)}: stands in no table; write [{_ALL}] above it, or the name of a verb: [run]"
            )
        known = name.replace("_", "-")
        if known not in (_ALL, *verbs):
            near = _near(known, [_ALL, *verbs])
            raise UsageError(
                f"{file}: [{printable(name)}]: no such verb" + (near and f"; did you mean [{near}]?")
            )
        if known in tables:
            raise UsageError(
                f"{file}: [{known}] stands there twice, as [{printable(name)}] too; leave one out"
            )
        tables[known] = table
    found: dict[str, Setting] = {}
    for name in (_ALL, verb):
        found |= _of_table(file, name, tables.get(name, {}), ctx, line, of_library=of_library)
    return found


def _of_table(
    file: Path,
    name: str,
    table: Mapping[str, Any],
    ctx: click.Context,
    line: click.Context,
    *,
    of_library: bool,
) -> dict[str, Setting]:
    """Read one table: see `settings_in`."""
    options = _options(line.command)
    found: dict[str, Setting] = {}
    for written, value in table.items():
        key = written.replace("_", "-")
        where = f"{file}: [{name}] {printable(written)}"
        once = [ONCE, *(ones for verb, ones in _ONCE_IN.items() if name in (_ALL, verb))]
        why = next((ones[key] for ones in once if key in ones), None)
        if why is not None:
            raise UsageError(f"{where}: may not stand in a file, as {why}; say it on the command line")
        if key not in options:
            _check_of_others(where, key, name, ctx, options)
            continue
        option = options[key]
        parameter = str(option.name)
        if parameter in found:
            raise UsageError(f"{where}: is set twice, as {found[parameter].key} too; leave one out")
        if of_library and parameter in NAME_THE_LIBRARY:
            raise UsageError(
                f"{where}: says which library is meant, which this file lies in already; leave it out"
            )
        if of_library and key in _NOT_IN_LIBRARY:
            raise UsageError(
                f"{where}: does not count in a library, as {_NOT_IN_LIBRARY[key]}; say it on the command line, or in "
                f"a file of your own"
            )
        text = _value(option, value, file.absolute().parent, f"{where} = {as_toml(value)}")
        if of_library and (away := _away(option, text, file)):
            raise UsageError(
                f"{where}: leads out of the library ({printable(away)}), which may come from somebody else; say it on "
                "the command line, or in a file of your own"
            )
        try:
            option.type_cast_value(line, text)
        except click.BadParameter as error:
            raise UsageError(f"{where} = {as_toml(value)}: {_wrong(option, error)}") from error
        found[parameter] = Setting(key, text, file, (*option.opts, *option.secondary_opts))
    return found


def _wrong(option: click.Option, error: click.BadParameter) -> str:
    """Say what is wrong with a value, in other words than click's where it is no number."""
    if "is not a valid" in error.message:
        if isinstance(option.type, type(click.INT)):
            return "give a whole number"
        if isinstance(option.type, type(click.FLOAT)):
            return "give a number"
    return error.message


def _check_of_others(
    where: str, key: str, table: str, ctx: click.Context, options: Mapping[str, click.Option]
) -> None:
    """Let a setting of all be of another verb than the one at work.

    Raises:
        UsageError: no verb has it; or the table is that of one verb.
    """
    if key.startswith("no-") and key[3:] in options and options[key[3:]].is_flag:
        raise UsageError(f"{where}: no such setting; write {key[3:]} = false")
    others = dict(_others(ctx))
    having = [verb for verb, theirs in others.items() if key in theirs]
    if table == _ALL:
        if having:
            return
        choice = sorted({name for theirs in others.values() for name in theirs})
    else:
        if having:
            raise UsageError(
                f"{where}: no setting of {table}, but of {', '.join(having)}; write [{having[0]}]"
            )
        choice = sorted(options)
    near = _near(key, [one for one in choice if one not in (*ONCE, "help")])
    raise UsageError(f"{where}: no such setting" + (near and f"; did you mean {near}?"))


def _others(ctx: click.Context) -> Iterator[tuple[str, dict[str, click.Option]]]:
    """Give the options of every verb; all their files are imported for it."""
    if isinstance(ctx.command, click.Group):
        for verb in ctx.command.list_commands(ctx):
            command = ctx.command.get_command(ctx, verb)
            if command is not None:
                yield verb, _options(command)


def _options(command: click.Command) -> dict[str, click.Option]:
    """The options of a verb by all their long names; by a short name where there is no long one."""
    options = [one for one in command.params if isinstance(one, click.Option)]
    return {key: option for option in options for key in keys_of(option)}


def keys_of(option: click.Option) -> list[str]:
    """Give the names by which a file knows an option: its long ones, or a short one where it has no other."""
    long = [name[2:] for name in option.opts if name.startswith("--")]
    return long or [name.lstrip("-") for name in option.opts]


def _near(name: str, names: Iterable[str]) -> str:
    """The name that was meant; "": none is like it."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, list(names), n=1)), "")


def _value(option: click.Option, value: Any, folder: Path, where: str) -> Any:
    """Turn a value of a file into what click takes from a command line.

    Raises:
        UsageError: it is of another kind than the option takes.
    """
    if option.is_flag:
        if not isinstance(value, bool):
            raise UsageError(f"{where}: expected true or false")
        return value
    depth = (option.nargs != 1) + option.multiple
    if depth and not isinstance(value, list):
        value = [value]
    if depth == 2 and not any(isinstance(one, list) for one in value):
        value = [value]

    def text(value: Any, depth: int) -> Any:
        if depth:
            if not isinstance(value, list):
                raise UsageError(
                    f"{where}: expected a list of lists, as {option.opts[0]} takes {option.nargs}"
                )
            return [text(one, depth - 1) for one in value]
        if isinstance(value, bool):
            raise UsageError(f"{where}: true and false are for flags; {option.opts[0]} takes a value")
        if isinstance(value, datetime | date | time):
            return value.isoformat()
        if not isinstance(value, str | int | float):
            raise UsageError(f"{where}: expected one value")
        if "\0" in str(value):
            raise UsageError(f"{where}: has a zero byte, which no option takes")
        return _place(option, str(value), folder)

    return text(value, depth)


def _place(option: click.Option, text: str, folder: Path) -> str:
    """Take a path as relative to the folder of the file; leave words that are no paths."""
    if not _is_path(option) or text in ("", "-", *(option.metavar or "").split("|")):
        return text
    return os.path.abspath(folder / Path(text).expanduser())


def _is_path(option: click.Option) -> bool:
    metavar = re.split(r"\W+", option.metavar or "")
    return isinstance(option.type, click.Path) or not _PLACES.isdisjoint(metavar)


def _away(option: click.Option, value: Any, file: Path) -> str:
    """Give a path of a value, as `_value` gives it, that leads out of the folder of the file; "" where none does."""
    if isinstance(value, list):
        return next((away for one in value if (away := _away(option, one, file))), "")
    if not _is_path(option) or not isinstance(value, str) or not os.path.isabs(value):
        return ""
    inside = Path(os.path.realpath(value)).is_relative_to(os.path.realpath(file.absolute().parent))
    return "" if inside else value


def as_toml(value: Any) -> str:
    """Write a value as TOML does, as far as a message needs it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(as_toml, value))}]"
    if isinstance(value, dict):
        return "{...}"
    return f'"{printable(value)}"' if isinstance(value, str) else str(value)
