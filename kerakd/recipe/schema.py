"""The recipe: one experiment on one page, typed and validated."""

import dataclasses
import types
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from kerakd.data.augment.policy import Augmentation
from kerakd.errors import RecipeError
from kerakd.explain.names import METHODS
from kerakd.recipe.distilling import DistillationSection
from kerakd.recipe.typed import Range
from kerakd.recipe.volumes import VolumesSection
from kerakd.training.options import TrainingOptions

Positive = Range(minimum=1)
Epochs = Annotated[int, Range(minimum=0)]
Pixels = Annotated[int, Range(minimum=8, maximum=4096)]
Size = Pixels | tuple[Pixels, ...]


@dataclass(frozen=True)
class DataSection:
    """Where the images are and how they are divided.

    Args:
        source: A folder, a name below `--data` or `KERAKD_DATA`,
            `kaggle:owner/slug/versions/N`, or `phantom` for made-up heads.
        classes: Which classes to take; all where it is left out.
        aliases: Whether class names such as `no_tumor` and `notumor` are taken as one,
            or a mapping from the names found to those wanted.
        skip_bad: Leave unreadable images out (they are reported) instead of stopping.
        groups: What must not be torn apart by a split, such as patients: a regular
            expression on the file's name, a CSV file, or a mapping from id to group.
        validation: The share of the training images that is held out to choose by;
            a validation folder that the data bring is kept.
        test: The share held out as test set where the data bring none.
        splits: A `splits.json` that says which image is in which split, such as one of
            `kerakd split`; then `validation` and `test` are not used.
        limit: At most this many images of each class in each split; for trials.
        channels: 3 for colour (grey scans are repeated), 1 for grey.
        class_weight: Weight by class name in training, or `balanced`.
        audit: Whether copies across the splits are looked for before training, so that
            every result is told on the test images without a copy, too.
        copies_together: Whether the copies that the audit finds stay on one side where
            images are divided here; splits that the folders made are kept all the same.
        memory_gigabytes: Decoded images above this are kept on disk instead.
        phantom: Options of the phantom, where that is the source.
    """

    source: str
    classes: list[str] | None = None
    aliases: bool | dict[str, str] = False
    skip_bad: bool = False
    groups: str | dict[str, str] | None = None
    validation: Annotated[float, Range(above=0, maximum=0.9)] = 0.2
    test: Annotated[float, Range(above=0, maximum=0.9)] | None = None
    splits: str | None = None
    limit: Annotated[int, Positive] | None = None
    channels: Literal[1, 3] = 3
    class_weight: dict[str, Annotated[float, Range(minimum=0)]] | (
        Literal["balanced"] | None
    ) = None
    audit: bool = True
    copies_together: bool = False
    memory_gigabytes: Annotated[float, Range(minimum=0)] = 2.0
    phantom: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        if self.phantom and self.source != "phantom":
            raise RecipeError(
                "`phantom` holds the options of `source: phantom`, and the source is "
                f"{self.source!r}; leave `phantom` out."
            )
        if self.copies_together and not self.audit:
            raise RecipeError(
                "`copies_together` needs the audit, which finds the copies; leave "
                "`audit: false` out."
            )


@dataclass(frozen=True)
class NetworkSection:
    """A network and how it is trained.

    Args:
        model: A name of `kerakd.models.build`, such as `mobilenet_v2`.
        options: Further options of it, such as `alpha: 0.35`, `dropout: 0.2` or
            `batch_norm_momentum: 0.9`.
        weights: Where the training starts: nothing for random weights, `imagenet`, or
            a weights file (beside the recipe, in `--weights` or `KERAKD_WEIGHTS`, or in
            the folder `weights` beside `KERAKD_DATA`).
        image_size: What it sees, in pixels: one number, or `[height, width]`.
        head_epochs: Epochs before `training` in which only the last layers learn, at
            its learning rate: new ones behind a backbone that is trained already.
        training: See `kerakd.training.TrainingOptions`.
    """

    model: str
    options: dict[str, Any] = field(default_factory=dict)
    weights: str | None = None
    image_size: Size = 224
    head_epochs: Epochs = 0
    training: TrainingOptions = field(default_factory=TrainingOptions)

    def __post_init__(self):
        _check_size(self.image_size)


@dataclass(frozen=True)
class TeacherSection:
    """The teacher: networks to train, or files of trained ones.

    Args:
        model: As for the student; left out where `file` is given.
        file: One or several `.keras` files of teachers already trained.
        members: How many networks make the teacher; they differ in their seed, and
            the mean of their softened probabilities teaches.
        options: As for the student.
        weights: As for the student.
        image_size: What the teacher sees; may be larger than the student's.
        head_epochs: As for the student.
        training: As for the student.
    """

    model: str | None = None
    file: str | list[str] | None = None
    members: Annotated[int, Range(minimum=1, maximum=20)] = 1
    options: dict[str, Any] = field(default_factory=dict)
    weights: str | None = None
    image_size: Size = 224
    head_epochs: Epochs = 0
    training: TrainingOptions = field(default_factory=TrainingOptions)

    def __post_init__(self):
        _check_size(self.image_size)
        if (self.model is None) == (not self.file):
            raise RecipeError(
                "give either `model` (a network to train) or `file` (one already "
                "trained)."
            )
        if self.file and self.members != 1:
            raise RecipeError("with `file`, list the members there, not in `members`.")
        if self.file and self.head_epochs:
            raise RecipeError("a trained teacher has no `head_epochs`; leave them out.")

    @property
    def files(self) -> list[str]:
        """The files of trained teachers; none where they are to be trained."""
        if not self.file:
            return []
        return [self.file] if isinstance(self.file, str) else list(self.file)


@dataclass(frozen=True)
class ExportSection:
    """What is made of the student for a phone.

    Args:
        modes: The files to write: `float32` is the student as it is, `float16` and
            `dynamic` store its weights smaller, `int8` and `int16x8` compute in
            integers too (calibrated on 128 training images).
    """

    modes: list[Literal["float32", "float16", "dynamic", "int8", "int16x8"]] = field(
        default_factory=lambda: ["float32"]
    )

    def __post_init__(self):
        if not self.modes or len(set(self.modes)) < len(self.modes):
            raise RecipeError(
                f"`modes` must name one or more modes, each once; got {self.modes}."
            )


@dataclass(frozen=True)
class ExternalSection:
    """Images from elsewhere, on which the finished models are judged.

    Args:
        source: As `data.source`; all its images are taken, whatever splits it has.
        classes: By class there, the class of the models that it stands for, or several
            that it comprises, or none (`[]`) to leave it out; what is not named is
            found by its name.
    """

    source: str
    classes: dict[str, str | list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """One experiment: data, teacher, student, and what becomes of them.

    Args:
        name: A short name; it is the title of the report.
        student: The network for the phone.
        data: The images.
        teacher: The network that teaches; none for a network that learns from labels
            alone, which is then tested, exported and reported like a student.
        description: What the experiment is about.
        task: `classification` of images, or `segmentation` of volumes.
        volumes: How cases become slices, for a segmentation.
        seed: Of the split, the augmentation and the teacher.
        seeds: One student is trained for each; the first is `seed` where left out.
        augmentation: Random changes of the training images: the name of a preset
            such as `flip_affine`, or the keys of `kerakd.data.Augmentation`.
        distillation: How the teacher teaches.
        baseline: Whether the same student is trained without a teacher as well.
        heat_maps: Methods of `kerakd.explain` by which a test image of each class is
            explained, all in one picture of the report.
        export: What is made of the student.
        external: Images from elsewhere, for the finished models.
        tiny: Changes for `--tiny`, a trial that takes seconds of training.
        without_data: Further changes for `--tiny` where no data are given and phantoms
            stand in for them, such as `data: {classes: [glioma, notumor]}`.
    """

    name: str
    data: DataSection
    student: NetworkSection
    teacher: TeacherSection | None = None
    description: str = ""
    task: Literal["classification", "segmentation"] = "classification"
    volumes: VolumesSection | None = None
    seed: Annotated[int, Range(minimum=0, maximum=2**31 - 1)] = 0
    seeds: list[Annotated[int, Range(minimum=0, maximum=2**31 - 1)]] = field(
        default_factory=list
    )
    augmentation: Augmentation | None = None
    distillation: DistillationSection = field(default_factory=DistillationSection)
    baseline: bool = True
    heat_maps: list[Literal[METHODS]] = field(default_factory=list)
    export: ExportSection = field(default_factory=ExportSection)
    external: list[ExternalSection] = field(default_factory=list)
    tiny: dict[str, Any] = field(default_factory=dict)
    without_data: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        if not self.name.strip():
            raise RecipeError("`name` is empty; give the experiment a short name.")
        if len(set(self.seeds)) < len(self.seeds):
            raise RecipeError(f"`seeds` names one twice: {self.seeds}.")
        if not self.seeds:
            object.__setattr__(self, "seeds", [self.seed])
        if self.teacher is None and self.distillation != DistillationSection():
            raise RecipeError(
                "`distillation` says how a teacher teaches, and there is none; give a "
                "`teacher`, or leave `distillation` out."
            )
        if self.task == "segmentation":
            self._check_segmentation()
        elif self.volumes is not None:
            raise RecipeError(
                "`volumes` belongs to `task: segmentation`; set the task, or leave it "
                "out."
            )

    def _check_segmentation(self) -> None:
        if self.volumes is None:
            object.__setattr__(self, "volumes", VolumesSection())
        if self.teacher is None:
            raise RecipeError("`task: segmentation` needs a `teacher`.")
        only_images = {
            "heat_maps": self.heat_maps,
            "teacher.head_epochs": self.teacher.head_epochs,
            "student.head_epochs": self.student.head_epochs,
            "data.copies_together": self.data.copies_together,
        }
        for key, value in only_images.items():
            if value:
                raise RecipeError(
                    f"`{key}` belongs to `task: classification`; leave it out."
                )

    def get_config(self) -> dict[str, Any]:
        """The whole recipe with every default filled in, as plain values."""
        return _plain(self)


def key_exists(key: str) -> bool:
    """Whether a dotted key may stand in a recipe (below `options` any may)."""
    hint: Any = Recipe
    for part in key.split("."):
        hint = _mapping(hint)
        if not dataclasses.is_dataclass(hint):
            return hint is dict
        hints = get_type_hints(hint, include_extras=True)
        if part not in hints:
            return False
        hint = hints[part]
    return True


def _mapping(hint: Any) -> Any:
    """The dataclass or `dict` that an annotation may hold, else None."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _mapping(arguments[0])
    if origin in (Union, types.UnionType):
        return next((m for m in map(_mapping, arguments) if m), None)
    if hint is dict or origin is dict:
        return dict
    return hint if dataclasses.is_dataclass(hint) else None


def _plain(value: Any) -> Any:
    if hasattr(value, "get_config") and not isinstance(value, Recipe):
        return _plain(value.get_config())
    if dataclasses.is_dataclass(value):
        return {
            f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)
        }
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def _check_size(size: Any) -> None:
    if not isinstance(size, int) and len(size) != 2:
        raise RecipeError(
            f"`image_size` is one number or `[height, width]`, got {list(size)}."
        )
