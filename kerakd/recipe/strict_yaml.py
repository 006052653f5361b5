"""Reading YAML so that a page means what a person reads on it.

PyYAML follows YAML 1.1, in which `no` is false, `1e-3` is text and `1:30` is ninety;
a class named `no` or a learning rate of `1e-3` is common in a recipe. Here only `true`
and `false` are booleans, `1e-3` is a number, and a key written twice is an error.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from kerakd.errors import RecipeError


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of YAML 1.2's core schema."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own registry

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is no text", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' is there twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Safe dumper that quotes what YAML 1.1 or 1.2 would not read as text."""


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan",
        "-+.0123456789",
    ),
):
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first)
        )
_Loader.add_constructor(
    "tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node))
)
_Loader.add_constructor(
    "tag:yaml.org,2002:float",
    lambda loader, node: float(loader.construct_scalar(node).replace(".inf", "inf")),
)


def parse(text: str, name: str) -> Any:
    """The value of a YAML text.

    Args:
        text: The text.
        name: What to call it in an error (a file, an option).

    Raises:
        RecipeError: The text is no YAML, or a key is there twice.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise RecipeError(
            f"{name}{where}: {error.problem or error.context}; a recipe is a page of "
            "YAML, `key: value` on each line."
        ) from None
    except yaml.YAMLError as error:
        raise RecipeError(f"{name} is not valid YAML: {error}") from None


def read(path: Path) -> Any:
    """The value of a YAML file.

    Raises:
        RecipeError: The file is absent, is no text or no YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"There is no recipe {path}.") from None
    except IsADirectoryError:
        raise RecipeError(f"{path} is a folder; name the recipe inside it.") from None
    except UnicodeDecodeError:
        raise RecipeError(f"{path} is no text file; a recipe is a YAML page.") from None
    except OSError as error:
        raise RecipeError(f"Cannot read {path}: {error.strerror}.") from None
    return parse(text, str(path))


def _sequence(dumper: yaml.SafeDumper, value) -> yaml.Node:
    """Short lists of plain values on one line."""
    plain = all(isinstance(v, str | int | float | bool) for v in value)
    return dumper.represent_sequence(
        "tag:yaml.org,2002:seq", list(value), flow_style=plain
    )


_Dumper.add_representer(list, _sequence)
_Dumper.add_representer(tuple, _sequence)


def dump(value: Any) -> str:
    """A YAML page with the keys in the order given; `parse` gives the value back."""
    return yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=88
    )
