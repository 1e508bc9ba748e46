"""What facecluster says to people: no word that only we know, and what to type is there.

The texts are collected from the sources, so that a new message is looked at too.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import click
import pytest

from facecluster.cli import main
from facecluster.identity.gate import Reason

PACKAGE = Path(__file__).resolve().parent.parent / "facecluster"

WORDS_OF_OURS = {
    r"\bfound(ing|ed|er|ers)\b": "say reference face, or that it makes a person",
    r"\bfounds?\s+(a|the)\s+person\b": "say that it makes a person",
    r"(?<!-)\bgate\b": "say which limits are meant",
    r"\bseams?\b": "say the weakest link between parts",
    r"\b(?<!a )core\b": "say reference face",
    r"\brunners?-up\b": "say the nearest other person",
    r"\broot mean square\b": "say on average",
    r"(?<!--)\beps\b": "say --eps, or the distance",
    r"\b(joining )?(radius|radii)\b": "say within which distance",
    r"\bDBSCAN\b": "say that faces are linked",
    r"\bpose unknown\b|\bunknown pose\b": "say that it cannot be told which way the head is turned",
    r"\bnear-duplicates?\b": "say that it is nearly the same picture",
    r"\b(centroid|medoid|anchor|ordinal|spots?|lapsed)\b": "nobody sees these",
    r"\boriginals are gone(?!: )": "say which",
    r"(?<!FACE_)\bRESULT\b": "a library is called LIBRARY",
}
"""Patterns of words that a user cannot know, and what to say instead."""

QUOTED = re.compile(r'"\w+"')
"""A word of JSON that is explained where it stands."""


@cache
def texts() -> list[tuple[str, str]]:
    """Give every text that may reach somebody, with where it stands; what an f-string fills in is "{}".

    These are the texts of more than a word, but for the documentation of what no user calls.
    """
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        hidden = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        hidden |= {
            id(node.value)
            for node in nodes
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        shown = {
            id(node.body[0].value)
            for node in nodes
            if isinstance(node, ast.FunctionDef) and isinstance(node.body[0], ast.Expr) and is_command(node)
        }
        for node in nodes:
            text = literal(node)
            if " " in text.strip() and (id(node) not in hidden or id(node) in shown):
                found.append((f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}", text))
    return found


def is_command(function: ast.FunctionDef) -> bool:
    """Whether the documentation of a function is the help of a verb."""
    return any("command" in ast.unparse(decorator) for decorator in function.decorator_list)


def literal(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(literal(part) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return ""


def test_texts_of_all_kinds_are_found() -> None:
    """A collector that finds little would let everything pass."""
    assert len(texts()) > 800
    found = {text for _, text in texts()}
    assert Reason.TOO_SMALL.text in found
    assert "settings as last time: {} (--default-settings goes back to the defaults)" in found  # click.echo
    assert "%s: not there (is a drive not mounted?); its photos %s %s" in found  # logging
    assert "{}: no such person; {}" in found  # raised
    assert "Different photos that a person needs" in " ".join(found)  # help of an option
    assert any(text.startswith("Say why a face is where it is, or what holds") for text in found)  # of a verb
    assert any("of this person are within" in text for text in found)  # words of render
    assert not any(text.startswith("Say that people, or faces, are nobody you know.\n") for text in found)


@pytest.mark.parametrize("word", WORDS_OF_OURS)
def test_no_text_has_a_word_that_only_we_know(word: str) -> None:
    bad = [
        f"{where}: {text!r}"
        for where, text in texts()
        if re.search(word, QUOTED.sub("", text)) and not text.startswith("(?")
    ]
    assert not bad, f"{WORDS_OF_OURS[word]}:\n" + "\n".join(bad)


@pytest.mark.parametrize(
    "text",
    [
        "It may not found a person: yaw 34° (limit 30°).",
        "It founded person-0001: there was no gate",
        "its 3 founding faces are 1.08 away",
        "the weakest seam",
        "The runner-up is person-0002",
        "1.02 away as root mean square",
        "within the joining radius of 2",
        "a face that is core",
        "pose unknown",
        "distances by eps",
        "1 copies are kept as their originals are gone",
        "two results: RESULT",
    ],
)
def test_words_that_were_said_once_are_told(text: str) -> None:
    assert [word for word in WORDS_OF_OURS if re.search(word, text)]


def commands() -> list[tuple[str, click.Command]]:
    context = click.Context(main)
    return [
        (name, command)
        for name in main.list_commands(context)
        if (command := main.get_command(context, name))
    ]


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_help_of_a_verb_has_no_such_word(name: str) -> None:
    """Also what click puts together itself, as metavars and defaults."""
    command = dict(commands())[name]
    shown = " ".join(command.get_help(click.Context(command, info_name=name)).split())
    assert not [word for word in WORDS_OF_OURS if re.search(word, re.sub(r"--gate|\"founded\"", "", shown))]


@pytest.mark.parametrize(
    "name", ["explain", "show", "name", "move", "undo", "history", "not-a-person", "watch", "run"]
)
def test_a_library_is_called_so_in_every_verb(name: str) -> None:
    command = dict(commands())[name]
    assert "LIBRARY" in command.get_help(click.Context(command, info_name=name))


def test_reference_faces_are_explained_where_they_stand_first() -> None:
    command = dict(commands())["explain"]
    shown = " ".join(command.get_help(click.Context(command, info_name="explain")).split())
    assert "reference faces: those good enough that other faces are compared with them" in shown
