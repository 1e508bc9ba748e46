"""Settings that stand in a file: where the files are, what may stand in them, and where each setting in use is from.

The first of these that says something about an option counts:

    1. the command line
    2. the file that --config names
    3. facecluster.toml in the library
    4. facecluster.toml in the user's configuration folder, or the file that FACECLUSTER_CONFIG names; neither where
       there is a --config
    5. what the library remembers
    6. the default

A table [all] is for every verb that has the option, [run] for one verb; in one file the latter counts first. Values are
read as those of the command line are: they become the `default_map` of click, so an option of a file is a given one.

The library has to be known before its file can be read, and the line has to be read before the library is known. So the
line is read twice: the first time without complaints.
"""

from __future__ import annotations

import copy
import functools
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from facecluster.cli.parameters import FLAGS, Folder
from facecluster.errors import UsageError
from facecluster.text import printable

FILE = "facecluster.toml"
"""What the file is called, in a library and in the user's configuration folder."""
VARIABLE = "FACECLUSTER_CONFIG"
"""Environment variable that names another file than the user's; empty: none."""

_ALL = "all"
"""The table of all verbs."""
_LIBRARY = ("output", "directory", "source", "targets", "first")
"""Parameters that name the library, or a file in its folder; a verb has one of them at most."""
_SAME = {"encodings": "file", "dataset": "paths"}
"""Options that say the same as an argument: where this is given, a file's word about them does not count."""
_ONCE = {
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
_META = "facecluster.settings"


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


@dataclass(frozen=True)
class _Used:
    """What files say about a verb: settings by name of the parameter, and the files that were read."""

    settings: Mapping[str, Setting]
    files: Sequence[Path]


# ------------------------------------------------------------------------------------------------- on the line


def with_options(command: click.Command) -> click.Command:
    """Give a copy of a verb that has --config, and -v to tell the settings in use; a -v that it has does both."""
    taken = {option for parameter in command.params for option in parameter.opts}
    has_verbose = "-v" in taken
    callback = command.callback
    copied = copy.copy(command)
    copied.params = [*command.params, *([] if has_verbose else [_verbose()]), _config()]

    @functools.wraps(callback or (lambda: None))
    def telling(*arguments: Any, **given: Any) -> Any:
        given.pop("config")
        verbose = given["verbose"] if has_verbose else given.pop("verbose")
        if verbose and not given.get("quiet"):
            _tell(click.get_current_context())
        return None if callback is None else callback(*arguments, **given)

    copied.callback = telling
    return copied


def _verbose() -> click.Option:
    return click.Option(
        ["-v", "--verbose"],
        is_flag=True,
        help="Tell each setting that is given, and where: on the command line or in a file.",
    )


def _config() -> click.Option:
    return click.Option(
        ["--config"],
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help=f"Settings for this call (TOML).  [default: {FILE} in the user's configuration folder]",
    )


def configured(ctx: click.Context, name: str, command: click.Command, args: Sequence[str]) -> click.Command:
    """Read the files, and make what they say the defaults of a verb.

    Args:
        ctx: of the program, whose command knows all verbs; it gets the defaults.
        name: of the verb.
        command: the verb.
        args: of the verb, as they were given.

    Returns:
        The verb; a flag that may stand in a file is taken back by --no-NAME.

    Raises:
        UsageError: a file cannot be read, or has a setting that is none; the message names file, table and key.
    """
    line = command.make_context(name, list(args), parent=ctx, resilient_parsing=True)
    help_option = command.get_help_option(line)
    if help_option is not None and _is_given(line, str(help_option.name)):
        return command
    named = line.params.get("config")
    main = Path(named) if _is_given(line, "config") and named else _of_user()
    read = [] if main is None else [main]
    settings = {} if main is None else _settings(main, ctx, line, name)
    file = _in_library(line, settings)
    if file is not None and not (main is not None and _is_same(file, main)):
        read.append(file)
        of_library = _settings(file, ctx, line, name, of_library=True)
        settings = of_library | settings if _is_given(line, "config") else settings | of_library
    settings = {
        parameter: setting
        for parameter, setting in settings.items()
        if not (parameter in _SAME and _is_given(line, _SAME[parameter]))
    }
    ctx.default_map = {name: {parameter: setting.value for parameter, setting in settings.items()}}
    ctx.meta[_META] = _Used(settings, tuple(read))
    return _with_ways_back(command)


def is_typed(name: str) -> bool:
    """Say whether a parameter of the verb at work was given on the command line, and not in a file."""
    return _is_given(click.get_current_context(), name)


def _is_given(ctx: click.Context, parameter: str) -> bool:
    return ctx.get_parameter_source(parameter) == ParameterSource.COMMANDLINE


def _with_ways_back(command: click.Command) -> click.Command:
    """Let each flag that may stand in a file be taken back: --no-json."""
    copied, taken = copy.copy(command), {option for one in command.params for option in one.opts}
    copied.params = []
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.is_flag and not parameter.secondary_opts:
            back = [f"--no-{key}" for key in _keys(parameter) if key not in _ONCE]
            parameter = copy.copy(parameter)
            parameter.secondary_opts = [option for option in back if option not in taken]
        copied.params.append(parameter)
    return copied


# ------------------------------------------------------------------------------------------------- the files


def _of_user() -> Path | None:
    """The user's file; None: there is none."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        if named and not os.path.exists(os.path.expanduser(named)):
            raise UsageError(f"{VARIABLE}: {named}: no such file; mend the variable, or unset it")
        return Path(named).expanduser() if named else None
    import platformdirs

    file = platformdirs.user_config_path("facecluster", appauthor=False) / FILE
    return file if os.path.lexists(file) else None


def _in_library(line: click.Context, settings: Mapping[str, Setting]) -> Path | None:
    """The file in the library that is named on the command line, else in a file; None: there is none."""
    parameter = next((one for one in line.command.params if one.name in _LIBRARY), None)
    if parameter is None or parameter.name is None:
        return None
    named: Any = None
    if _is_given(line, parameter.name):
        named = line.params.get(parameter.name)
        if isinstance(named, tuple):
            named = named[0] if named else None
    elif parameter.name in settings:
        named = settings[parameter.name].value
    if not isinstance(named, str | Path) or str(named) in ("", "-"):
        return None
    folder = Path(named)
    if not isinstance(parameter.type, Folder) and not folder.is_dir():
        if parameter.name != "output" and not folder.exists():
            return None
        folder = folder.parent
    return folder / FILE if os.path.lexists(folder / FILE) else None


def _is_same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


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


def _settings(
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
    """Read one table: see `_settings`."""
    options = _options(line.command)
    found: dict[str, Setting] = {}
    for written, value in table.items():
        key = written.replace("_", "-")
        where = f"{file}: [{name}] {printable(written)}"
        once = [_ONCE, *(ones for verb, ones in _ONCE_IN.items() if name in (_ALL, verb))]
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
        if of_library and parameter in _LIBRARY:
            raise UsageError(
                f"{where}: says which library is meant, which this file lies in already; leave it out"
            )
        if of_library and key in _NOT_IN_LIBRARY:
            raise UsageError(
                f"{where}: does not count in a library, as {_NOT_IN_LIBRARY[key]}; say it on the command line, or in "
                f"a file of your own"
            )
        text = _value(option, value, file.absolute().parent, f"{where} = {_shown(value)}")
        try:
            option.type_cast_value(line, text)
        except click.BadParameter as error:
            raise UsageError(f"{where} = {_shown(value)}: {_wrong(option, error)}") from error
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
    near = _near(key, [one for one in choice if one not in (*_ONCE, "help")])
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
    return {key: option for option in options for key in _keys(option)}


def _keys(option: click.Option) -> list[str]:
    long = [name[2:] for name in option.opts if name.startswith("--")]
    return long or [name.lstrip("-") for name in option.opts]


def _near(name: str, names: Iterable[str]) -> str:
    """The name that was meant; "": none is like it."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, list(names), n=1)), "")


# ------------------------------------------------------------------------------------------------- values


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
    words = (option.metavar or "").split("|")
    is_path = isinstance(option.type, click.Path) or not _PLACES.isdisjoint(
        re.split(r"\W+", option.metavar or "")
    )
    if not is_path or text in ("", "-", *words):
        return text
    return os.path.abspath(folder / Path(text).expanduser())


def _shown(value: Any) -> str:
    """Write a value as TOML does, as far as a message needs it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, dict):
        return "{...}"
    return f'"{printable(value)}"' if isinstance(value, str) else str(value)


# ------------------------------------------------------------------------------------------------- telling


def _tell(ctx: click.Context) -> None:
    """Tell each setting that is given, and where it is from; and each file that says nothing about the verb."""
    used: _Used = ctx.meta[_META]
    for option in ctx.command.params:
        source = ctx.get_parameter_source(str(option.name))
        if not isinstance(option, click.Option) or option.name in ("verbose", "config"):
            continue
        if source == ParameterSource.COMMANDLINE:
            _say(_keys(option)[0], ctx.params[str(option.name)], "command line")
        elif source == ParameterSource.DEFAULT_MAP:
            setting = used.settings[str(option.name)]
            _say(_keys(option)[0], ctx.params[str(option.name)], f"from {setting.file.absolute()}")
    silent = [file for file in used.files if file not in {one.file for one in used.settings.values()}]
    for file in silent:
        click.echo(f"{printable(str(file.absolute()))}: nothing that counts here", err=True)


def tell_remembered(remembered: Mapping[str, object], by: str = "library") -> None:
    """Tell settings that are as last time.

    Args:
        remembered: by field of `Choices` or `EncodeOptions`, those that are not the default.
        by: what remembers them.
    """
    for name, value in remembered.items():
        _say(
            FLAGS.get(name, name.replace("_", "-")).lstrip("-"),
            value,
            f"remembered by the {by}, also without a file that said it",
        )


def _say(key: str, value: object, source: str) -> None:
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, datetime):
        text = f"{value:%Y-%m-%d %H:%M}"
    elif isinstance(value, list | tuple):
        text = ", ".join(" ".join(map(str, one)) if isinstance(one, tuple) else str(one) for one in value)
    else:
        text = str(value)
    click.echo(printable(f"{key} {text} ({source})"), err=True)


def told_of(ctx: click.Context, message: str) -> str:
    """Say of the options that an error names which of them stand in a file; "": none."""
    used: _Used | None = ctx.meta.get(_META)
    if used is None:
        return ""
    named = set(re.findall(r"(?<!\S)--?\w[\w-]*", message))
    lines = [
        f"\n  {one.key} = {_shown(one.value)} stands in {one.file}"
        for one in used.settings.values()
        if not named.isdisjoint(one.options)
    ]
    return "".join(lines)
