"""Plain mappings into typed dataclasses, with errors that name the dotted key.

A field's annotation says what may come: `int`, `float`, `bool`, `str`, `Literal[...]`,
`X | None`, `list[X]`, `tuple[X, ...]`, `dict`, `dict[str, X]` or another dataclass;
`Annotated[X, Range(...)]` adds bounds. A dataclass with a `from_config` validates its
own values.
"""

import dataclasses
import math
import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin
from typing import get_type_hints as _hints

from kerakd.errors import RecipeError, nearest

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Range:
    """Bounds of a number: `minimum` and `maximum` may be reached, `above` may not."""

    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None

    def admits(self, value: float) -> bool:
        return (
            (self.minimum is None or value >= self.minimum)
            and (self.maximum is None or value <= self.maximum)
            and (self.above is None or value > self.above)
        )

    def __str__(self) -> str:
        if self.minimum is not None and self.maximum is not None:
            return f"from {self.minimum} to {self.maximum}"
        parts = []
        if self.minimum is not None:
            parts.append(f"of at least {self.minimum}")
        if self.above is not None:
            parts.append(f"above {self.above}")
        if self.maximum is not None:
            parts.append(f"of at most {self.maximum}")
        return " and ".join(parts)


def read(kind: type[T], value: Mapping[str, Any], source: str, path: str = "") -> T:
    """A dataclass from a mapping.

    Args:
        kind: The dataclass.
        value: What was written; keys that are left out take their default.
        source: What to call the page in an error, such as the recipe's file.
        path: Dotted key of this mapping in the page; empty for the page itself.

    Raises:
        RecipeError: A key is unknown or missing, or a value has a wrong type or range.
    """
    if not isinstance(value, Mapping):
        what = f"'{path}'" if path else "the page"
        raise RecipeError(
            f"{source}: {what} must be a set of `key: value` lines, got {_show(value)}."
        )
    hints = _hints(kind, include_extras=True)
    fields = {f.name: f for f in dataclasses.fields(kind) if f.init}
    for key in value:
        if key not in fields:
            raise RecipeError(
                f"{source}: unknown key '{_join(path, key)}'. {nearest(key, fields)}"
            )
    arguments = {}
    for name, field in fields.items():
        if name in value:
            arguments[name] = convert(
                hints[name], value[name], source, _join(path, name)
            )
        elif (
            field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
        ):
            raise RecipeError(
                f"{source}: the key '{_join(path, name)}' is missing; "
                f"it takes {describe(hints[name])}."
            )
    try:
        return kind(**arguments)
    except RecipeError as error:
        raise RecipeError(f"{source}: {path + ': ' if path else ''}{error}") from None


def convert(hint: Any, value: Any, source: str, path: str) -> Any:
    """One value as its annotation wants it, or an error that names its dotted key."""

    def refuse() -> RecipeError:
        remedy = ""
        if _plain(hint) is str and isinstance(value, bool | int | float):
            remedy = f"; put it in quotes: '{value}'"
        return RecipeError(
            f"{source}: '{path}' must be {describe(hint)}, got {_show(value)}{remedy}."
        )

    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        inner = convert(arguments[0], value, source, path)
        if inner is not None and not all(r.admits(inner) for r in arguments[1:]):
            raise refuse()
        return inner
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _first_that_fits(
            [a for a in arguments if a is not type(None)], value, source, path, refuse
        )
    if origin is Literal:
        if any(value == a and type(value) is type(a) for a in arguments):
            return value
        remedy = nearest(value, arguments) if isinstance(value, str) else ""
        raise RecipeError(f"{refuse()} {remedy}".rstrip())
    if hasattr(hint, "from_config"):
        return _delegate(hint, value, source, path)
    if dataclasses.is_dataclass(hint):
        return read(hint, value, source, path)
    if origin in (list, tuple):
        if not isinstance(value, list | tuple):
            raise refuse()
        items = (
            convert(arguments[0], v, source, f"{path}[{i}]")
            for i, v in enumerate(value)
        )
        return origin(items)
    if hint is dict or origin is dict:
        if not isinstance(value, Mapping):
            raise refuse()
        inner = arguments[1] if arguments else Any
        return {k: convert(inner, v, source, _join(path, k)) for k, v in value.items()}
    if hint is Any:
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    # bool is a subclass of int in Python, but `epochs: true` is a mistake.
    if type(value) is not hint or (hint is float and not math.isfinite(value)):
        raise refuse()
    return value


def _delegate(kind, value, source, path):
    """A value that another room validates, by its `of` or `from_config`.

    An `of` takes the name of a preset too, alone or as `preset` among the keys.
    """
    presets = hasattr(kind, "of")
    if isinstance(value, kind):
        return value
    if not isinstance(value, Mapping) and not (presets and isinstance(value, str)):
        more = " or the name of a preset" if presets else ""
        raise RecipeError(
            f"{source}: '{path}' must be {describe(kind)}{more}, got {_show(value)}."
        )
    names = [f.name for f in dataclasses.fields(kind) if f.init]
    names += ["preset"] * presets
    for key in value if isinstance(value, Mapping) else ():
        if key not in names:
            raise RecipeError(
                f"{source}: unknown key '{_join(path, key)}'. {nearest(key, names)}"
            )
    try:
        return kind.of(value) if presets else kind.from_config(dict(value))
    except RecipeError as error:
        text = str(error).removeprefix("augment: ")
        raise RecipeError(f"{source}: {path}: {text}") from None


def _first_that_fits(hints, value, source, path, refuse):
    """The first member of a union that takes the value.

    A mapping or a list meant for one structured member keeps that member's own error,
    which names the key inside.
    """
    structured = [
        h
        for h in hints
        if (isinstance(value, Mapping) and _structure(h) is dict)
        or (isinstance(value, list | tuple) and _structure(h) is list)
    ]
    if len(structured) == 1:
        return convert(structured[0], value, source, path)
    for hint in hints:
        try:
            return convert(hint, value, source, path)
        except RecipeError as error:
            if len(hints) == 1:
                raise error
    raise refuse()


def _structure(hint: Any) -> type | None:
    hint = _plain(hint)
    if dataclasses.is_dataclass(hint) or hint is dict or get_origin(hint) is dict:
        return dict
    return list if get_origin(hint) in (list, tuple) else None


def _plain(hint: Any) -> Any:
    """A hint without its bounds and without `| None`."""
    if get_origin(hint) is Annotated:
        return _plain(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        rest = [a for a in get_args(hint) if a is not type(None)]
        return _plain(rest[0]) if len(rest) == 1 else hint
    return hint


def describe(hint: Any) -> str:
    """What an annotation admits, in words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        bounds = " ".join(map(str, arguments[1:]))
        return f"{describe(arguments[0])} {bounds}"
    if origin in (Union, types.UnionType):
        rest = [describe(a) for a in arguments if a is not type(None)]
        return " or ".join(rest + ["null"] * (type(None) in arguments))
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin in (list, tuple):
        return f"a list ([...]) whose items are each {describe(arguments[0])}"
    if _structure(hint) is dict:
        return "a set of `key: value` lines"
    return {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "text",
        Any: "a value",
    }[hint]


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _show(value: Any) -> str:
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a set of `key: value` lines"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
