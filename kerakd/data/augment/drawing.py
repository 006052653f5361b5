"""Drawing the parameters of an augmentation, with no image and no TensorFlow at hand.

Each sample has a counter-based stream of its own: NumPy's Philox with a key that is a
hash of (seed, view) and a counter that starts at a hash of the sample's id. Only the
raw 64-bit words are used, which NumPy keeps the same from version to version.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from scipy.special import betaincinv

from kerakd.data.augment import geometry, randaugment
from kerakd.data.augment.policy import Augmentation
from kerakd.errors import RecipeError

# Every parameter has a place of its own in the stream, so that switching one on or off
# leaves the others as they were. New ones go before "operators", which is open-ended.
_PLACES = (
    "rotation",
    "translation_x",
    "translation_y",
    "scale",
    "shear",
    "brightness",
    "contrast",
    "saturation",
    "partner",
    "kind_of_mix",
    "mix_share",
    "box_x",
    "box_y",
    "operators",
)
_WORDS_PER_OPERATOR = 3
# What only slices of volumes have comes from a stream of its own: a place among those
# above would move the operators', which every cache and resumed run has drawn from.
ELASTIC_GRID, BIAS_GRID, CHANNELS = 4, 3, 8
_BLOCK = 4  # words per step of Philox's counter


def draw(
    policy: Augmentation,
    seed: int,
    view: int,
    ids: Sequence[str],
    population: Sequence[str] | None = None,
) -> dict[str, np.ndarray]:
    """Draw the parameters of every sample, each a pure function of (seed, view, id).

    Args:
        policy: What may be drawn. Only columns that it needs are returned.
        seed: The seed of the run.
        view: Which of the versions of the samples; the epoch, usually.
        ids: The samples, `n` of them, in any order and any selection.
        population: The ids that a partner of MixUp and CutMix is drawn from: the whole
            training set, in any order.

    Returns:
        A table of `n` rows by name: `horizontal_flip`, `vertical_flip` (bool);
        `rotation`, `shear` (degrees), `translation` (fractions of width and height,
        `(n, 2)`), `scale` (a factor); `operators`, `strengths` (RandAugment,
        `(n, operations)`); `matrix` (`(n, 2, 2)`, linear map from a place in the
        result to the place in the source that all of these make, flips too) and
        `shift` (`(n, 2)`, their shift of the result); `brightness`, `contrast`,
        `saturation` (factors); of slices `elastic` (shifts of a grid of points as
        fractions, `(n, 4, 4, 2)`), `bias_field` (logarithms of gains, `(n, 3, 3)`) and
        `intensity` (factor and offset by channel, `(n, 8, 2)`); `partner` (position in
        the sorted `population`), `mix_share` (the partner's share in the label),
        `mix_strength` (its weight in the pixels of the box) and `mix_box` (left, top,
        right, bottom as fractions, `(n, 4)`).

    Raises:
        RecipeError: The policy mixes and there is no `population`.
    """
    chance = _Chances(policy, seed, view, ids)
    table = {}
    table.update(_draw_flips(policy, seed, view, ids))
    if policy.randaugment is not None:
        table["operators"], table["strengths"] = randaugment.draw_operators(
            chance.of_operators(), policy.randaugment["magnitude"]
        )
    if policy.moves:
        table.update(_draw_geometry(policy, chance))
        table["matrix"], table["shift"] = _compose(table)
    if policy.only_for_slices:
        table.update(_draw_fields(policy, seed, view, ids))
    for name in ("brightness", "contrast", "saturation"):
        if getattr(policy, name):
            factor = 1.0 + getattr(policy, name) * chance.either_way(name)
            table[name] = factor.astype(np.float32)
    if policy.mixes:
        if population is None:
            raise RecipeError(
                "mixup and cutmix draw a partner for each sample; give population=, "
                "the ids of all training samples."
            )
        table.update(_draw_mix(policy, chance, len(population)))
    return table


def order(seed: int, epoch: int, ids: Sequence[str]) -> np.ndarray:
    """The order in which an epoch sees the samples.

    Args:
        seed: The seed of the run.
        epoch: The epoch.
        ids: The samples, `n` of them; the order of ids that results does not depend
            on the order they come in.

    Returns:
        A permutation of `range(n)`, int64.
    """
    by_id = np.argsort(np.asarray(ids), kind="stable")
    bits = np.random.Philox(key=_hash(f"order {seed} {epoch}", 16))
    return by_id[np.argsort(bits.random_raw(len(by_id)), kind="stable")]


class _Chances:
    """Uniform numbers by the name of what they decide, one per sample."""

    def __init__(self, policy, seed, view, ids):
        self._operations = (policy.randaugment or {}).get("operations", 0)
        count = len(_PLACES) - 1 + _WORDS_PER_OPERATOR * self._operations
        self._table = _uniforms(f"draw {seed} {view}", ids, count)

    def __call__(self, name: str) -> np.ndarray:
        """In [0, 1)."""
        return self._table[:, _PLACES.index(name)]

    def either_way(self, name: str) -> np.ndarray:
        """In [-1, 1)."""
        return 2.0 * self(name) - 1.0

    def of_operators(self) -> np.ndarray:
        """In [0, 1), shape `(n, operations, 3)`."""
        start = _PLACES.index("operators")
        return self._table[:, start:].reshape(-1, self._operations, _WORDS_PER_OPERATOR)


def _uniforms(key: str, ids: Sequence[str], count: int) -> np.ndarray:
    """Numbers in [0, 1) with 53 bits, shape `(len(ids), count)`."""
    bits = np.random.Philox(key=_hash(key, 16))
    state = bits.state
    state["buffer_pos"] = _BLOCK  # nothing left over from another counter
    words = np.empty((len(ids), count), np.uint64)
    for row, name in enumerate(ids):
        # The lowest word of the counter steps through the blocks of one sample.
        counter = _hash(str(name), 24) << 64
        state["state"]["counter"] = _words(counter)
        bits.state = state
        words[row] = bits.random_raw(count)
    return (words >> np.uint64(11)) * 2.0**-53


def _hash(text: str, size: int) -> int:
    digest = hashlib.blake2b(text.encode(), digest_size=size, person=b"kerakd")
    return int.from_bytes(digest.digest(), "little")


def _words(number: int) -> np.ndarray:
    return np.frombuffer(number.to_bytes(32, "little"), np.uint64)


def _draw_flips(
    policy: Augmentation, seed: int, view: int, ids: Sequence[str]
) -> dict[str, np.ndarray]:
    """Mirrorings, dealt like cards: each comes once before one comes again.

    Two views after one another hold both sides of one flip, four hold all of two, so
    that a cache of four views knows every picture that flips can make, where four
    independent draws would know two thirds of them.
    """
    if not policy.flips:
        return {}
    block, place = divmod(view, 4)
    pair, second = divmod(place, 2)
    bits = _uniforms(f"flips {seed} {block}", ids, 4) < 0.5
    mirrored = bits[:, pair] ^ bool(second)
    if not policy.vertical_flip:
        return {"horizontal_flip": mirrored}
    if not policy.horizontal_flip:
        return {"vertical_flip": mirrored}
    upside_down = np.where(mirrored, bits[:, 2], bits[:, 3]) ^ bool(pair)
    return {"horizontal_flip": mirrored, "vertical_flip": upside_down}


def _draw_fields(
    policy: Augmentation, seed: int, view: int, ids: Sequence[str]
) -> dict[str, np.ndarray]:
    """What varies over a slice or from channel to channel."""
    sizes = {
        "elastic": (ELASTIC_GRID, ELASTIC_GRID, 2),
        "bias_field": (BIAS_GRID, BIAS_GRID),
        "intensity": (CHANNELS, 2),
    }
    counts = [int(np.prod(size)) for size in sizes.values()]
    drawn = 2.0 * _uniforms(f"fields {seed} {view}", ids, sum(counts)) - 1.0
    table = {}
    parts = np.split(drawn, np.cumsum(counts)[:-1], axis=1)
    for (name, size), part in zip(sizes.items(), parts, strict=True):
        largest = getattr(policy, name)
        if largest:
            values = (largest * part).reshape(-1, *size)
            if name == "intensity":
                values[..., 0] += 1.0
            table[name] = values.astype(np.float32)
    return table


def _draw_geometry(policy: Augmentation, chance: _Chances) -> dict[str, np.ndarray]:
    shift = [chance.either_way("translation_x"), chance.either_way("translation_y")]
    return {
        "rotation": policy.rotation * chance.either_way("rotation"),
        "translation": policy.translation * np.stack(shift, axis=-1),
        "scale": 1.0 + policy.scale * chance.either_way("scale"),
        "shear": policy.shear * chance.either_way("shear"),
    }


def _compose(table: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    one = np.ones(len(table["rotation"]))
    mirror_x = np.where(table.get("horizontal_flip", False), -one, one)
    mirror_y = np.where(table.get("vertical_flip", False), -one, one)
    scale = table["scale"]
    linear = (
        geometry.rotation(table["rotation"])
        @ geometry.shear(np.tan(np.deg2rad(table["shear"])), 0.0 * one)
        @ geometry.scaling(scale * mirror_x, scale * mirror_y)
    )
    shift = table["translation"]
    if "operators" in table:
        drawn = table["operators"], table["strengths"]
        linear = randaugment.linear_map(*drawn) @ linear
        shift = shift + randaugment.shift(*drawn)
    return geometry.inverse(linear), shift


def _draw_mix(
    policy: Augmentation, chance: _Chances, population: int
) -> dict[str, np.ndarray]:
    share = chance("mix_share")
    if policy.mixup and policy.cutmix:
        cuts = chance("kind_of_mix") < 0.5
    else:
        cuts = np.full(len(share), policy.cutmix > 0)
    alpha = np.where(cuts, policy.cutmix, policy.mixup)
    share = betaincinv(alpha, alpha, share)

    # A box of that share of the area around a drawn centre, cut off at the border.
    half = np.sqrt(share)[:, None] / 2
    centre = np.stack([chance("box_x"), chance("box_y")], axis=-1)
    box = np.concatenate([centre - half, centre + half], axis=-1).clip(0.0, 1.0)
    area = np.prod(box[:, 2:] - box[:, :2], axis=-1)

    whole = np.array([0.0, 0.0, 1.0, 1.0])
    return {
        "partner": (chance("partner") * population).astype(np.int64),
        "mix_share": np.where(cuts, area, share).astype(np.float32),
        "mix_strength": np.where(cuts, 1.0, share).astype(np.float32),
        "mix_box": np.where(cuts[:, None], box, whole).astype(np.float32),
    }
