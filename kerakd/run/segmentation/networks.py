"""Teacher and students of a segmentation: built, trained, kept."""

import shutil
from pathlib import Path
from typing import Any

import keras

from kerakd import models
from kerakd.data.volumes.batches import SliceBatches
from kerakd.data.volumes.store import SliceStore
from kerakd.distillation import Distiller, TeacherCache
from kerakd.distillation.dice import DiceCrossentropy
from kerakd.errors import ModelError, RecipeError
from kerakd.files import make_folder
from kerakd.recipe import Recipe
from kerakd.run import networks
from kerakd.run.folder import Folder, copy_whole
from kerakd.run.losses import build_losses
from kerakd.run.segmentation import caching
from kerakd.training import deterministic, train_student, train_teacher


class Trainer:
    """Trains the networks of a recipe in its run folder; what is finished is kept.

    Args:
        recipe: What is run.
        folder: Where.
        store: The slices.
        places: Folders in which teacher and weights files are looked for.
        verbose: As in `keras.Model.fit`.
        cache: The folder of a teacher cache that was built elsewhere.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Folder,
        store: SliceStore,
        places: list[Path],
        verbose: int | str,
        cache: Path | None = None,
    ):
        self.recipe, self.folder, self.store = recipe, folder, store
        self.places, self.verbose, self.given = places, verbose, cache

    @property
    def shape(self) -> tuple[int, int, int]:
        """What the networks see."""
        return tuple(self.store.images.shape[1:])

    def rehearse(self) -> None:
        """Build everything once, so that a mistake shows before hours of work."""
        if self.recipe.teacher.members != 1 or len(self.recipe.teacher.files) > 1:
            raise RecipeError(
                "A segmentation has one teacher; leave `teacher.members` at 1 and name "
                "one `teacher.file` at most."
            )
        if self.recipe.teacher.files:
            teacher = self._load_teacher()[0]
        else:
            teacher = self._build("teacher")
        losses, weights = build_losses(self.recipe.distillation)
        section = self.recipe.distillation
        if self.given is None:
            caching.check_cacheable(self.recipe, self.store, teacher)
        Distiller(
            teacher,
            self._build("student"),
            losses,
            weights,
            section.student_loss_weight,
            label_layer_name=section.label_layer,
        )
        self._batches("train", 1, 0)
        self._batches("validation", 1, 0)
        keras.backend.clear_session()

    def teacher(self) -> keras.Model:
        """The teacher: loaded from its file, or trained."""
        file = self.folder / "teacher.keras"
        if self.recipe.teacher.files:
            copy_whole(self._load_teacher()[1], file)
        elif not file.is_file():
            section, seed = self.recipe.teacher, self.recipe.seed
            deterministic(seed)
            model = self._build("teacher")
            train_teacher(
                model,
                self._batches("train", section.training.batch_size, seed),
                self._batches("validation", section.training.batch_size, seed),
                options=section.training,
                out=self.folder.path,
                name="teacher",
                **self._common(),
            )
            _keep(model, file, "teacher")
        return networks.load_network(file)

    def cache(self, teacher: keras.Model) -> TeacherCache:
        """What the teacher says of every slice in every view; built where it lacks."""
        return caching.get_cache(
            self.recipe,
            self.store,
            teacher,
            self.folder / "teacher_cache",
            given=self.given,
            progress=None if self.verbose else False,
        )

    def student(self, teacher: keras.Model | None, seed: int, out: Path) -> keras.Model:
        """A student: distilled, or from the masks alone without a teacher."""
        name = "baseline" if teacher is None else "student"
        file = out / ("student_baseline.keras" if teacher is None else "student.keras")
        if not file.is_file():
            make_folder(out)
            section, views = self.recipe.student, self.recipe.distillation.views
            # With views the baseline sees those too: what is compared is the teacher.
            slices: Any = self._batches(
                "train", section.training.batch_size, seed, views
            )
            if teacher is not None and views is not None:
                slices = self.cache(teacher).batches(slices)
            deterministic(seed)
            model = self._build("student")
            train_student(
                model,
                slices,
                self._batches("validation", section.training.batch_size, seed),
                options=section.training,
                out=out,
                name=name,
                **self._common(),
                **({} if teacher is None else self._distillation(teacher)),
            )
            _keep(model, file, name)
        return networks.load_network(file)

    def _common(self) -> dict[str, Any]:
        section = self.recipe.volumes
        return {
            "loss": DiceCrossentropy(
                section.dice_weight,
                section.crossentropy_weight,
                batch=section.batch_dice,
            ),
            "metrics": [],
            "resume": self.folder.resuming,
            "verbose": self.verbose,
        }

    def _distillation(self, teacher: keras.Model) -> dict[str, Any]:
        section = self.recipe.distillation
        losses, weights = build_losses(section)
        return {
            "teacher": teacher,
            "distillation_losses": losses,
            "distillation_loss_weights": weights,
            "student_loss_weight": section.student_loss_weight,
            "label_layer_name": section.label_layer,
            # A cache was asked in that dtype already.
            "teacher_dtype": section.teacher_dtype if section.views is None else None,
        }

    def _batches(
        self, split: str, batch_size: int, seed: int, views: int | None = None
    ) -> SliceBatches:
        if split != "train":
            return SliceBatches(self.store, split, batch_size=batch_size)
        return SliceBatches(
            self.store,
            "train",
            batch_size=batch_size,
            shuffle=True,
            # Students of several seeds see the same views, each in an order of its own.
            seed=seed if views is None else self.recipe.seed,
            order_seed=seed,
            views=views,
            augment=self.recipe.augmentation,
            empty_rate=self.recipe.volumes.empty_rate,
        )

    def _build(self, role: str) -> keras.Model:
        section = getattr(self.recipe, role)
        weights = networks.find_weights(section.weights, self.places)
        try:
            model = models.build(
                section.model,
                len(self.store.class_names),
                self.shape,
                weights=weights,
                **section.options,
            )
        except ModelError as error:
            raise ModelError(f"{role}: {error}") from error
        except TypeError as error:
            raise ModelError(f"{role}.options: {error}.") from error
        self._check_output(model, section.model)
        return model

    def _load_teacher(self) -> tuple[keras.Model, Path]:
        section = self.recipe.teacher
        names = self.store.class_names
        ((model, path),) = networks.load_teachers(
            section, names, self.places, self.shape[2]
        )
        self._check_output(model, str(path))
        if tuple(model.input_shape[1:]) != self.shape:
            raise ModelError(
                f"The teacher {path} takes slices of shape {model.input_shape[1:]} and "
                f"the student {self.shape}; set student.image_size alike."
            )
        return model, path

    def _check_output(self, model: keras.Model, name: str) -> None:
        wanted = (*self.shape[:2], len(self.store.class_names))
        if tuple(model.output_shape[1:]) != wanted:
            raise ModelError(
                f"{name} gives {model.output_shape[1:]}, and a segmentation needs "
                f"logits {wanted} for each pixel; choose a U-Net such as unet_student."
            )


def _keep(model: keras.Model, file: Path, name: str) -> None:
    """Write a trained network; its checkpoints have served."""
    networks.save_network(model, file)
    checkpoints = file.parent / "checkpoints"
    shutil.rmtree(checkpoints / name, ignore_errors=True)
    if checkpoints.is_dir() and not any(checkpoints.iterdir()):
        checkpoints.rmdir()
