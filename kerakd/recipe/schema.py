"""The recipe: one experiment on one page, typed and validated."""

import dataclasses
import types
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from kerakd.data.augment.policy import Augmentation
from kerakd.errors import RecipeError
from kerakd.recipe.typed import Range
from kerakd.recipe.volumes import VolumesSection
from kerakd.training.options import TrainingOptions

Positive = Range(minimum=1)
Share = Annotated[float, Range(minimum=0, maximum=1)]
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
    memory_gigabytes: Annotated[float, Range(minimum=0)] = 2.0
    phantom: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        if self.phantom and self.source != "phantom":
            raise RecipeError(
                "`phantom` holds the options of `source: phantom`, and the source is "
                f"{self.source!r}; leave `phantom` out."
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
        training: See `kerakd.training.TrainingOptions`.
    """

    model: str
    options: dict[str, Any] = field(default_factory=dict)
    weights: str | None = None
    image_size: Size = 224
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
        training: As for the student.
    """

    model: str | None = None
    file: str | list[str] | None = None
    members: Annotated[int, Range(minimum=1, maximum=20)] = 1
    options: dict[str, Any] = field(default_factory=dict)
    weights: str | None = None
    image_size: Size = 224
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

    @property
    def files(self) -> list[str]:
        """The files of trained teachers; none where they are to be trained."""
        if not self.file:
            return []
        return [self.file] if isinstance(self.file, str) else list(self.file)


@dataclass(frozen=True)
class DistillationSection:
    """How the teacher teaches.

    Args:
        student_loss_weight: Weight of the labels, 0 to 1; the teacher has the rest.
        temperature: Of every loss that takes one and sets none of its own: a number,
            or the Keras configuration of a schedule.
        losses: Each with the `name` of a loss in `kerakd.losses`, its `weight`
            (1 where left out) and its options.
        views: How many fixed augmented views of each image there are: the teacher
            looks at each once, and every epoch, seed and sweep reads what it said.
            Left out, every epoch draws new ones and asks the teacher again.
        cache_mode: `exact`, or `compact` for half the size and rounded logits.
        label_layer: The student's layer whose logits the labels teach, such as
            `class_logits` of DeiT; its output where left out.
        teacher_dtype: `bfloat16` for a teacher that computes in it, twice as fast on
            some processors and a little less exact.
    """

    student_loss_weight: Share = 0.5
    temperature: Annotated[float, Range(above=0)] | dict[str, Any] = 4.0
    losses: list[dict[str, Any]] = field(
        default_factory=lambda: [{"name": "kl_divergence"}]
    )
    views: Annotated[int, Positive] | None = None
    cache_mode: Literal["exact", "compact"] = "exact"
    label_layer: str | None = None
    teacher_dtype: Literal["bfloat16", "float16"] | None = None

    def __post_init__(self):
        if not self.losses:
            raise RecipeError(
                "`losses` is empty; leave it out for `kl_divergence`, or set "
                "`student_loss_weight: 1` to train on labels alone."
            )
        for index, loss in enumerate(self.losses):
            if not isinstance(loss.get("name"), str):
                raise RecipeError(
                    f"`losses[{index}]` needs a `name`, such as `name: kl_divergence`."
                )
            weight = loss.get("weight", 1.0)
            if (
                isinstance(weight, bool)
                or not isinstance(weight, int | float)
                or weight < 0
            ):
                raise RecipeError(
                    f"`losses[{index}].weight` must be a number of at least 0, got "
                    f"{weight!r}."
                )


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
        teacher: The network that teaches.
        description: What the experiment is about.
        task: `classification` of images, or `segmentation` of volumes.
        volumes: How cases become slices, for a segmentation.
        seed: Of the split, the augmentation and the teacher.
        seeds: One student is trained for each; the first is `seed` where left out.
        augmentation: Random changes of the training images: the name of a preset
            such as `flip_affine`, or the keys of `kerakd.data.Augmentation`.
        distillation: How the teacher teaches.
        baseline: Whether the same student is trained without a teacher as well.
        export: What is made of the student.
        external: Images from elsewhere, for the finished models.
        tiny: Changes for `--tiny`, a trial that takes minutes.
    """

    name: str
    data: DataSection
    teacher: TeacherSection
    student: NetworkSection
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
    export: ExportSection = field(default_factory=ExportSection)
    external: list[ExternalSection] = field(default_factory=list)
    tiny: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        if not self.name.strip():
            raise RecipeError("`name` is empty; give the experiment a short name.")
        if len(set(self.seeds)) < len(self.seeds):
            raise RecipeError(f"`seeds` names one twice: {self.seeds}.")
        if not self.seeds:
            object.__setattr__(self, "seeds", [self.seed])
        if self.task == "segmentation" and self.volumes is None:
            object.__setattr__(self, "volumes", VolumesSection())
        if self.task != "segmentation" and self.volumes is not None:
            raise RecipeError(
                "`volumes` belongs to `task: segmentation`; set the task, or leave it "
                "out."
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
