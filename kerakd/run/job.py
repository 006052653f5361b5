"""What every stage of a run is given: recipe, folder, samples, and batches."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kerakd.data import ImageBatches, Samples
from kerakd.recipe import Recipe
from kerakd.run.folder import Folder
from kerakd.run.leaks import Leaks

Shape = tuple[int, int, int]


@dataclass
class Job:
    """One run under way.

    Args:
        recipe: What is run.
        folder: Where it is run.
        samples: The images with their splits.
        places: Folders in which weights and teacher files are looked for.
        verbose: As in `keras.Model.fit`.
        warnings: What a reader of the figures has to know; stages add to it.
        leaks: Which test images have a copy in training, once that was looked for.
        cache: The folder of a teacher cache that was built elsewhere.
    """

    recipe: Recipe
    folder: Folder
    samples: Samples
    places: list[Path]
    verbose: int | str = "auto"
    warnings: list[str] = field(default_factory=list)
    leaks: Leaks | None = None
    cache: Path | None = None
    _held: dict[Any, ImageBatches] = field(default_factory=dict, repr=False)

    @property
    def class_names(self) -> list[str]:
        return list(self.samples.class_names)

    def training(
        self,
        recipe: Recipe,
        shape: Shape,
        batch_size: int,
        seed: int,
        teacher_shape: Shape | None = None,
        views: int | None = None,
    ) -> ImageBatches:
        """Augmented batches of the training set.

        Args:
            recipe: For the augmentation: that of the run, or a variant of a sweep.
            shape: What the network that learns sees.
            batch_size: Images in a batch.
            seed: Of order and augmentation.
            teacher_shape: What its teacher sees, where that is another size.
            views: How many versions of each picture there are, the same ones for all
                seeds, so that one teacher cache serves them; None for a new version
                in each epoch.
        """
        options = self._options(shape)
        if teacher_shape is not None and teacher_shape != shape:
            sizes = {"student": shape, "teacher": teacher_shape}
            options = {"sizes": {k: (s[:2], s[2]) for k, s in sizes.items()}}
        return ImageBatches(
            self.samples.subset("train"),
            batch_size=batch_size,
            shuffle=True,
            seed=seed if views is None else self.recipe.seed,
            order_seed=seed,
            views=views,
            augment=recipe.augmentation,
            class_weight=recipe.data.class_weight,
            memory_budget=self._budget,
            **options,
        )

    def for_both(self, split: str, student: Shape, teacher: Shape) -> ImageBatches:
        """The images of a split as teacher and student see them."""
        sizes = {"student": student, "teacher": teacher}
        return ImageBatches(
            self.samples.subset(split),
            sizes={key: (shape[:2], shape[2]) for key, shape in sizes.items()},
            memory_budget=self._budget,
        )

    def pictures(self, split: str, shape: Shape) -> ImageBatches:
        """The images of a split as they are, in table order; held for the next call."""
        key = split, shape
        if key not in self._held:
            self._held[key] = ImageBatches(
                self.samples.subset(split),
                memory_budget=self._budget,
                **self._options(shape),
            )
        return self._held[key]

    @property
    def _budget(self) -> int:
        return int(self.recipe.data.memory_gigabytes * 2**30)

    @staticmethod
    def _options(shape: Shape) -> dict[str, Any]:
        return {"image_size": shape[:2], "channels": shape[2]}
