"""What is to happen to each image at each step: NumPy only, no pixels at hand."""

import numpy as np

from kerakd.data.augment.drawing import draw, order
from kerakd.data.augment.policy import Augmentation

INDEX = "index"
PARTNER = "partner"
_OF_PARTNER = "partner_"
# What `apply` reads; the other columns of a draw are for people.
_APPLIED = (
    "horizontal_flip",
    "vertical_flip",
    "brightness",
    "contrast",
    "saturation",
    "operators",
    "strengths",
    "matrix",
    "shift",
    "elastic",
    "bias_field",
    "intensity",
)
_MIXED = ("mix_share", "mix_strength", "mix_box")


class Plan:
    """Order, views and draws of a table of samples, as pure functions.

    Args:
        ids: The samples.
        seed: Of the augmentation.
        order_seed: Of the order.
        shuffle: Whether each epoch has an order of its own.
        augment: The policy, or None.
        views: Number of versions of the images, or None.
    """

    def __init__(
        self,
        ids: np.ndarray,
        seed: int,
        order_seed: int,
        shuffle: bool,
        augment: Augmentation | None,
        views: int | None,
    ):
        self._ids = ids
        self._seed = seed
        self._order_seed = order_seed
        self._shuffle = shuffle
        self._augment = augment
        self._views = views
        # Partners are drawn as positions in the sorted ids.
        self._sorted = np.argsort(ids, kind="stable")

    def of(self, ids: np.ndarray) -> "Plan":
        """The plan of other samples with the same settings."""
        return Plan(
            ids,
            self._seed,
            self._order_seed,
            self._shuffle,
            self._augment,
            self._views,
        )

    def order(self, epoch: int) -> np.ndarray:
        """Positions of the samples in the order of an epoch, int64 `(n,)`."""
        if not self._shuffle:
            return np.arange(len(self._ids))
        return order(self._order_seed, epoch, self._ids)

    def view(self, epoch: int) -> int:
        """Which version of the images an epoch shows."""
        return epoch if self._views is None else epoch % self._views

    def rows(self, positions: np.ndarray, view: int) -> dict[str, np.ndarray]:
        """What is to be done for the samples at these positions.

        Returns:
            Columns of one row per position: `index`, the columns of the draw that
            `apply` needs, and with MixUp or CutMix `partner` (its position) and the
            partner's own draw, each name after `partner_`.
        """
        table = {INDEX: positions}
        if self._augment is None:
            return table
        drawn = self._drawn(positions, view)
        applied = [name for name in _APPLIED if name in drawn]
        table.update({name: drawn[name] for name in applied})
        if self._augment.mixes:
            partners = self._sorted[drawn[PARTNER]]
            table.update({name: drawn[name] for name in _MIXED})
            table[PARTNER] = partners
            of_partner = self._drawn(partners, view)
            table.update({_OF_PARTNER + name: of_partner[name] for name in applied})
        return table

    def _drawn(self, positions: np.ndarray, view: int) -> dict[str, np.ndarray]:
        ids = self._ids
        return draw(self._augment, self._seed, view, ids[positions], ids)


def of_partners(table: dict) -> dict:
    """The partners' own draws, under their plain names."""
    return {
        name.removeprefix(_OF_PARTNER): column
        for name, column in table.items()
        if name.startswith(_OF_PARTNER)
    }
