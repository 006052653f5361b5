"""The section of a recipe that is about volumes."""

from dataclasses import dataclass
from typing import Annotated, Literal

from kerakd.data.volumes.schemes import SCHEMES
from kerakd.data.volumes.table import check_modalities
from kerakd.errors import RecipeError, nearest
from kerakd.recipe.typed import Range

Weight = Annotated[float, Range(minimum=0)]


@dataclass(frozen=True)
class VolumesSection:
    """How cases become slices, and how a segmentation is judged.

    Args:
        modalities: The channels, of `t1`, `t1ce`, `t2`, `flair`; the usual three of the
            layout where they are left out (see `kerakd.data.load_volumes`).
        scheme: What the numbers in the masks mean, such as `brats2023`, where the
            naming of the files does not say it.
        target: `whole_tumour` (two classes) or `subregions` (four).
        empty_rate: Share of the training slices without tumour that an epoch sees.
        dice_weight: Of the Dice part in the loss on the labels.
        crossentropy_weight: Of its crossentropy part.
        batch_dice: Whether the Dice part sums over all slices of a batch together, so
            that false alarms in slices without tumour cost as much as elsewhere.
        largest_component: Whether only the largest piece of tumour of a case counts as
            its answer, wherever cases are judged.
        empty: What metrics are on empty masks, see
            `kerakd.evaluation.segmentation.EMPTY_POLICIES`.
        tolerance: Of the surface Dice, in millimetres.
        cache: A folder for the slices; one in the user's cache folder by default.
    """

    modalities: list[str] | None = None
    scheme: str | None = None
    target: Literal["whole_tumour", "subregions"] = "whole_tumour"
    empty_rate: Annotated[float, Range(minimum=0, maximum=1)] = 0.3
    dice_weight: Weight = 1.0
    crossentropy_weight: Weight = 1.0
    batch_dice: bool = False
    largest_component: bool = False
    empty: Literal["brats2023", "diagonal", "exclude"] = "brats2023"
    tolerance: Weight = 1.0
    cache: str | None = None

    def __post_init__(self):
        if self.modalities is not None:
            check_modalities(self.modalities)
        if self.scheme is not None and self.scheme not in SCHEMES:
            raise RecipeError(
                f"There is no label scheme {self.scheme!r}. "
                + nearest(self.scheme, SCHEMES)
            )
        if not self.dice_weight + self.crossentropy_weight:
            raise RecipeError(
                "`dice_weight` and `crossentropy_weight` are both 0; one must be above."
            )
