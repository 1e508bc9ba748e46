"""Settings that stand in files: where the files are, which of them counts, and where each setting in use is from.

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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from facecluster.cli.config_file import (
    NAME_THE_LIBRARY,
    ONCE,
    Setting,
    as_toml,
    keys_of,
    settings_in,
)
from facecluster.cli.parameters import FLAGS, Folder
from facecluster.errors import UsageError
from facecluster.text import printable

FILE = "facecluster.toml"
"""What the file is called, in a library and in the user's configuration folder."""
VARIABLE = "FACECLUSTER_CONFIG"
"""Environment variable that names another file than the user's; empty: none."""

_SAME = {"encodings": "file", "dataset": "paths"}
"""Options that say the same as an argument: where this is given, a file's word about them does not count."""
_META = "facecluster.settings"


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
    settings = {} if main is None else settings_in(main, ctx, line, name)
    file = _in_library(line, settings)
    if file is not None and not (main is not None and _is_same(file, main)):
        read.append(file)
        of_library = settings_in(file, ctx, line, name, of_library=True)
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
            back = [f"--no-{key}" for key in keys_of(parameter) if key not in ONCE]
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
    parameter = next((one for one in line.command.params if one.name in NAME_THE_LIBRARY), None)
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


# ------------------------------------------------------------------------------------------------- telling


def _tell(ctx: click.Context) -> None:
    """Tell each setting that is given, and where it is from; and each file that says nothing about the verb."""
    used: _Used = ctx.meta[_META]
    for option in ctx.command.params:
        source = ctx.get_parameter_source(str(option.name))
        if not isinstance(option, click.Option) or option.name in ("verbose", "config"):
            continue
        if source == ParameterSource.COMMANDLINE:
            _say(keys_of(option)[0], ctx.params[str(option.name)], "command line")
        elif source == ParameterSource.DEFAULT_MAP:
            setting = used.settings[str(option.name)]
            _say(keys_of(option)[0], ctx.params[str(option.name)], f"from {setting.file.absolute()}")
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
        f"\n  {one.key} = {as_toml(one.value)} stands in {one.file}"
        for one in used.settings.values()
        if not named.isdisjoint(one.options)
    ]
    return "".join(lines)
