"""Gives the schema the words that its types do not have in code.

They are in a file of their own, so that the API's words are read and kept alike in one place, and
the files of types stay short.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Protocol

from graphql import GraphQLEnumType, GraphQLSchema

WORDS = Path(__file__).with_name("descriptions.toml")
TYPES = "types"
"""The table of the types themselves; every other one has the members of a type, or of a pattern."""


class Described(Protocol):
    """What introspection shows a description of."""

    description: str | None


@cache
def words() -> Mapping[str, Mapping[str, str]]:
    """Table, then entry: the words."""
    return tomllib.loads(WORDS.read_text(encoding="utf-8"))


def describe(schema: GraphQLSchema) -> set[tuple[str, str]]:
    """Describes what has no words in code; returns table and name of the entries that it used."""
    used = set()
    for type_name, member, one in described(schema):
        if one.description:
            continue
        found = _entry(type_name, member)
        if found is not None:
            one.description = words()[found[0]][found[1]]
            used.add(found)
    return used


def described(schema: GraphQLSchema) -> Iterator[tuple[str, str | None, Described]]:
    """Each type, and each of its members by name; an argument's is `field(argument)`."""
    for name, type_ in schema.type_map.items():
        if name.startswith("__"):
            continue
        yield name, None, type_
        if isinstance(type_, GraphQLEnumType):
            for value_name, value in type_.values.items():
                yield name, value_name, value
        for field_name, field in getattr(type_, "fields", {}).items():
            yield name, field_name, field
            for argument_name, argument in getattr(field, "args", {}).items():
                yield name, f"{field_name}({argument_name})", argument


def _entry(type_name: str, member: str | None) -> tuple[str, str] | None:
    """Table and name of the first entry that fits: the type's own, then by the file's patterns."""
    if member is None:
        return _fitting(TYPES, type_name)
    tables = _tables_of(type_name)
    return next((found for table in tables if (found := _fitting(table, member))), None)


@cache
def _tables_of(type_name: str) -> tuple[str, ...]:
    own = (type_name,) if type_name in words() else ()
    return (*own, *(name for name in _patterns(words()) if fnmatchcase(type_name, name)))


def _fitting(table: str, name: str) -> tuple[str, str] | None:
    entries = words()[table]
    if name in entries:
        return table, name
    patterns = _patterns_of(table)
    return next(((table, one) for one in patterns if fnmatchcase(name, one)), None)


@cache
def _patterns_of(table: str) -> tuple[str, ...]:
    return _patterns(words()[table])


def _patterns(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if "*" in name)
