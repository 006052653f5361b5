"""Shards: parts of one cache, built on several machines and joined into the whole.

A shard holds some neighbouring samples in every view. Its key is that of the whole
cache, so that shards of another teacher, other pictures or another seed are found out.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerakd.distillation.cache.folder import INFO
from kerakd.distillation.cache.key import check_key
from kerakd.distillation.cache.store import BlockStore
from kerakd.errors import DataError, RecipeError
from kerakd.files import make_folder, write_json

_SAME = ("mode", "views", "block", "output_shape", "feature_shapes")


def parse(text: str) -> tuple[int, int]:
    """`"2/4"` as `(2, 4)`: the second of four shards.

    Raises:
        RecipeError: It is nothing of the kind.
    """
    number, _, count = str(text).partition("/")
    if not (number.isdecimal() and count.isdecimal()):
        raise RecipeError(f"A shard is given as 2/4, the second of four; got {text!r}.")
    return check((int(number), int(count)))


def check(shard: tuple[int, int]) -> tuple[int, int]:
    """Refuse a shard that does not exist.

    Raises:
        RecipeError: Its number is not from 1 to the number of shards.
    """
    number, count = shard
    if not 1 <= number <= count:
        raise RecipeError(
            f"There is no shard {number} of {count}; the first is 1/{count}, the last "
            f"{count}/{count}."
        )
    return shard


def span(shard: tuple[int, int], samples: int, block: int) -> range:
    """The samples of a shard: whole blocks, as evenly as they can be dealt.

    Raises:
        RecipeError: There are more shards than blocks.
    """
    number, count = check(shard)
    blocks = -(-samples // block)
    if count > blocks:
        raise RecipeError(
            f"{samples} samples in batches of {block} cannot be dealt to {count} "
            f"shards; make {blocks} at most, or smaller batches."
        )
    first, last = (blocks * n // count for n in (number - 1, number))
    return range(first * block, min(last * block, samples))


def part_of(batches: Any, rows: range) -> tuple[Any, int]:
    """Batches of some samples alone, and the number of the first batch among them.

    Pictures outside of the shard are neither read nor decoded, unless samples are
    mixed with partners, which may be any of them.
    """
    if hasattr(batches, "part") and not getattr(batches, "mixes", False):
        return batches.part(rows), 0
    return batches, rows.start // batches.batch_size


def require_whole(info: dict, path: Path) -> None:
    """Refuse to train from a part of a cache.

    Raises:
        DataError: It is a shard.
    """
    if "shard" in info:
        number, count = info["shard"]["number"], info["shard"]["of"]
        raise DataError(
            f"{path} is shard {number} of {count} of a teacher cache; join all of them "
            "first: kerakd cache merge SHARD ... --out CACHE."
        )


def merge(paths: Sequence[str | os.PathLike], out: str | os.PathLike) -> Path:
    """Join the shards of one cache, in any order, and verify every block.

    Args:
        paths: The folders of all shards.
        out: The folder of the whole cache; made where it does not exist.

    Returns:
        `out`.

    Raises:
        DataError: A shard is missing, comes twice, is damaged, or is of another cache;
            or `out` holds a cache already.
        KerakdError: A shard is half built, or the disk is too small.
    """
    from kerakd.distillation.cache.teacher_cache import TeacherCache

    out = Path(out)
    if (out / INFO).exists():
        raise DataError(f"There is a cache in {out} already; name another folder.")
    shards = _ordered([TeacherCache.open(path) for path in paths])
    info = dict(shards[0].info)
    info["samples"] = info.pop("shard")["samples"]
    make_folder(out)
    whole = TeacherCache.create_store(out, info)
    for shard in shards:
        _copy(shard, whole, shard.info["shard"]["first"] // info["block"])
    whole.require_complete()
    # Last, so that a folder with this page has all of the numbers.
    write_json(out / INFO, info)
    TeacherCache.open(out)
    return out


def _ordered(shards: list) -> list:
    """The shards by number.

    Raises:
        DataError: They are not the shards of one cache, each once.
    """
    for shard in shards:
        if "shard" not in shard.info:
            raise DataError(f"{shard.path} is a whole teacher cache and no shard.")
    first = shards[0]
    for other in shards[1:]:
        check_key(other.info["key"], first.info["key"], other.path)
        for name in _SAME:
            _require_equal(other, first, name, other.info, first.info)
        for name in ("of", "samples"):
            _require_equal(other, first, name, other.info["shard"], first.info["shard"])
    by_number: dict[int, Any] = {}
    for shard in shards:
        number = shard.info["shard"]["number"]
        if number in by_number:
            raise DataError(
                f"{by_number[number].path} and {shard.path} are both shard {number}; "
                "give each shard once."
            )
        by_number[number] = shard
    count = first.info["shard"]["of"]
    missing = [n for n in range(1, count + 1) if n not in by_number]
    if missing:
        raise DataError(
            f"Of {count} shards {len(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing: "
            f"{', '.join(f'{n}/{count}' for n in missing)}; build and give all."
        )
    return [by_number[number] for number in sorted(by_number)]


def _require_equal(one: Any, other: Any, name: str, found: dict, wanted: dict) -> None:
    if found.get(name) != wanted.get(name):
        raise DataError(
            f"{one.path} is a shard of another cache than {other.path}: {name} is "
            f"{found.get(name)} and {wanted.get(name)}."
        )


def _copy(shard: Any, whole: BlockStore, first: int) -> None:
    """Copy all blocks of a shard, whose numbers were checked when it was opened."""
    store = shard.store
    for view in range(shard.views):
        for number in range(store.blocks):
            rows = store.rows(number)
            values = {name: array[view, rows] for name, array in store.arrays.items()}
            whole.write(view, first + number, values)
            if whole.checksum(view, first + number) != store.checksum(view, number):
                raise DataError(
                    f"View {view}, samples {rows.start} to {rows.stop - 1} of "
                    f"{shard.path} changed while they were copied; merge again."
                )
