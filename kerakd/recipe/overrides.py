"""Changes to a recipe's page: tiny mode, `--set key=value`, `--sweep key=a,b,c`."""

import copy
import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from kerakd.errors import RecipeError
from kerakd.recipe import strict_yaml

# Where a key without a dot is looked for, in this order.
_SHORT = ("distillation", "student.training", "student")
# The teacher and the data are the same for every student of a sweep.
_SWEPT = ("distillation", "student", "augmentation")


def merge(page: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`page` with `changes` laid over it, mapping by mapping; lists are replaced."""
    result = dict(page)
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            value = merge(result[key], value)
        result[key] = copy.deepcopy(value)
    return result


def put(page: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """`page` with one dotted key set; mappings on the way are made."""
    change = value
    for part in reversed(key.split(".")):
        change = {part: change}
    return merge(page, change)


def parse_setting(text: str, option: str = "--set") -> tuple[str, Any]:
    """`student.training.epochs=3` as its key and its value.

    Raises:
        RecipeError: There is no `=`, no key, or the value is no YAML.
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key:
        raise RecipeError(
            f"{option} takes KEY=VALUE, such as {option} student.training.epochs=3; "
            f"got {text!r}."
        )
    return key, strict_yaml.parse(value, f"{option} {text}")


def parse_sweep(text: str) -> tuple[str, list[Any]]:
    """`temperature=2,4,8` as its dotted key and its values.

    A key without a dot is one of `distillation`, `student.training` or `student`.

    Raises:
        RecipeError: The text has another form, or names what no student depends on.
    """
    key, equals, values = text.partition("=")
    key = key.strip()
    if not equals or not key or not values.strip():
        raise RecipeError(
            "--sweep takes KEY=VALUE,VALUE,..., such as --sweep temperature=2,4,8; "
            f"got {text!r}."
        )
    parsed = strict_yaml.parse(f"[{values}]", f"--sweep {text}")
    key = full_key(key)
    if key.partition(".")[0] not in _SWEPT:
        raise RecipeError(
            f"--sweep {text}: a sweep trains one student for each value, so its key "
            "lies in 'distillation', 'student' or 'augmentation'; for other keys make "
            "a run for each value with --set."
        )
    if len(set(map(repr, parsed))) < len(parsed):
        raise RecipeError(f"--sweep {text}: a value is there twice.")
    return key, parsed


def full_key(key: str) -> str:
    """The dotted key that a short one such as `temperature` stands for."""
    from kerakd.recipe.schema import key_exists

    if "." in key or key_exists(key):
        return key
    for section in _SHORT:
        if key_exists(f"{section}.{key}"):
            return f"{section}.{key}"
    return f"distillation.{key}"


def grid(sweeps: Iterable[tuple[str, list[Any]]]) -> list[dict[str, Any]]:
    """All combinations of the sweeps' values, the last key varying fastest.

    Raises:
        RecipeError: A key is swept twice.
    """
    sweeps = list(sweeps)
    keys = [key for key, _ in sweeps]
    for key in keys:
        if keys.count(key) > 1:
            raise RecipeError(
                f"--sweep names {key!r} twice; write all its values in one list."
            )
    return [
        dict(zip(keys, values, strict=True))
        for values in itertools.product(*(values for _, values in sweeps))
    ]
