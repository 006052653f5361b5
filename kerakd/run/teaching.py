"""Training: the teachers of a recipe, its students, the students without a teacher."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import keras

from kerakd import models
from kerakd.data import ImageBatches
from kerakd.distillation import Distiller
from kerakd.errors import ModelError
from kerakd.files import make_folder, read_json
from kerakd.recipe import NetworkSection, Recipe, TeacherSection
from kerakd.run import networks
from kerakd.run.caching import check_cacheable, get_cache, is_cached
from kerakd.run.exporting import check_modes
from kerakd.run.folder import copy_whole
from kerakd.run.job import Job, Shape
from kerakd.run.losses import build_losses
from kerakd.run.teachers import Teacher
from kerakd.training import deterministic, train_student, train_teacher


def rehearse(job: Job, variants: Sequence[Recipe] = ()) -> None:
    """Build everything a run will train, so that a mistake shows before hours of work.

    Args:
        job: The run.
        variants: Those of a sweep.

    Raises:
        KerakdError: A network, weights file, teacher or loss of the recipe cannot be
            used, or they do not fit together.
    """
    recipe = job.recipe
    check_modes(recipe.export.modes, len(job.samples.subset("train")))
    if recipe.teacher is None:
        for one in [recipe, *variants]:
            _new_student(job, one)
        keras.backend.clear_session()
        return
    if recipe.teacher.files:
        loaded = networks.load_teachers(
            recipe.teacher, job.class_names, job.places, recipe.data.channels
        )
        teachers = [model for model, _ in loaded]
        _check_one_size(loaded)
        for _, path in loaded:
            _check_unseen(job, path)
    else:
        teachers = [_new_teacher(job)]
    for one in [recipe, *variants]:
        losses, weights = build_losses(one.distillation)
        check_cacheable(job, one, teachers)
        Distiller(
            teachers,
            _new_student(job, one),
            losses,
            weights,
            one.distillation.student_loss_weight,
            label_layer_name=one.distillation.label_layer,
        )
    keras.backend.clear_session()


def get_teacher(job: Job) -> Teacher:
    """The teacher of a run that has one: loaded from its files, or trained."""
    recipe, section = job.recipe, job.recipe.teacher
    count = len(section.files) or section.members
    names = ["teacher"] if count == 1 else [f"teacher_{i}" for i in range(count)]
    files = [job.folder / f"{name}.keras" for name in names]
    if section.files and all(file.is_file() for file in files):
        # The copies: the originals may have changed or gone since.
        members = [networks.load_network(file) for file in files]
        title = ", ".join(dict.fromkeys(model.name for model in members))
    elif section.files:
        loaded = networks.load_teachers(
            section, job.class_names, job.places, recipe.data.channels
        )
        for (_, source), file in zip(loaded, files, strict=True):
            copy_whole(source, file)
        members = [model for model, _ in loaded]
        title = ", ".join(dict.fromkeys(model.name for model in members))
    else:
        members = [
            _train_teacher(job, name, file, recipe.seed + index)
            for index, (name, file) in enumerate(zip(names, files, strict=True))
        ]
        shape = networks.shape_of(section, recipe.data.channels)
        title = networks.describe_network(section, shape)
    return Teacher(members, files, f"{count} x {title}" if count > 1 else title)


def _train_teacher(job: Job, name: str, file: Path, seed: int) -> keras.Model:
    if file.is_file():
        return networks.load_network(file)
    section = job.recipe.teacher
    deterministic(seed)
    model = _new_teacher(job)
    shape = networks.shape_of(section, job.recipe.data.channels)
    pictures = job.training(job.recipe, shape, section.training.batch_size, seed)
    if section.head_epochs:
        _train_head(job, model, section, pictures, job.folder.path, name)
    train_teacher(
        model,
        pictures,
        job.pictures("validation", shape),
        options=section.training,
        out=job.folder.path,
        resume=job.folder.resuming,
        name=name,
        verbose=job.verbose,
    )
    return _finish(model, file, name)


def _train_head(
    job: Job,
    model: keras.Model,
    section: NetworkSection | TeacherSection,
    pictures: ImageBatches,
    out: Path,
    name: str,
) -> None:
    """Let the last layers learn first, behind a backbone that stays as it was.

    A new head gives random gradients; they would undo what the backbone knows before
    the head knows anything.
    """
    models.freeze_backbone(model)
    train_teacher(
        model,
        pictures,
        job.pictures("validation", tuple(model.input_shape[1:])),
        options=section.training.replace(
            epochs=section.head_epochs,
            schedule="constant",
            warmup_epochs=0,
            early_stopping=None,
        ),
        out=out,
        resume=job.folder.resuming,
        name=f"{name}_head",
        verbose=job.verbose,
    )
    models.unfreeze(model)


def get_student(
    job: Job,
    recipe: Recipe,
    teacher: Teacher | None,
    seed: int,
    out: Path,
    role: str = "student",
) -> keras.Model:
    """A student trained in `out`: distilled, or on labels alone without a teacher.

    Both begin with the same weights and see the same pictures in the same order.

    Args:
        job: The run.
        recipe: That of the run, or a variant of a sweep.
        teacher: Who teaches; None for the baseline, and where the run has none.
        seed: Of initial weights, dropout, order and augmentation.
        out: Where its files go.
        role: `student` or `baseline`.
    """
    file = out / student_file(role)
    if file.is_file():
        return networks.load_network(file)
    make_folder(out)
    section = recipe.student
    shape = networks.shape_of(section, recipe.data.channels)
    cached = teacher is not None and is_cached(recipe)

    def training(seen_by_teacher: Shape | None = None) -> ImageBatches:
        return job.training(
            recipe,
            shape,
            section.training.batch_size,
            seed,
            seen_by_teacher,
            # The baseline too: what is compared is the teacher, not the pictures.
            recipe.distillation.views,
        )

    pictures = training(None if teacher is None or cached else teacher.shape)
    if cached:
        pictures = get_cache(job, recipe, teacher).batches(pictures)
    deterministic(seed)
    model = _new_student(job, recipe)
    if section.head_epochs:
        _train_head(job, model, section, training(), out, role)
    distillation = {}
    if teacher is not None:
        losses, weights = build_losses(recipe.distillation)
        distillation = {
            "teacher": teacher.models,
            "distillation_losses": losses,
            "distillation_loss_weights": weights,
            "student_loss_weight": recipe.distillation.student_loss_weight,
            "label_layer_name": recipe.distillation.label_layer,
            "teacher_dtype": None if cached else recipe.distillation.teacher_dtype,
        }
    train_student(
        model,
        pictures,
        job.pictures("validation", shape),
        options=section.training,
        out=out,
        resume=job.folder.resuming,
        name=role,
        verbose=job.verbose,
        **distillation,
    )
    return _finish(model, file, role)


def student_file(role: str) -> str:
    """Name of a student's file."""
    return "student.keras" if role == "student" else "student_baseline.keras"


def _finish(model: keras.Model, file: Path, name: str) -> keras.Model:
    networks.save_network(model, file)
    # From here on the model's own file says that this training is done.
    for done in (name, f"{name}_head"):
        shutil.rmtree(file.parent / "checkpoints" / done, ignore_errors=True)
    if (file.parent / "checkpoints").is_dir() and not any(
        (file.parent / "checkpoints").iterdir()
    ):
        (file.parent / "checkpoints").rmdir()
    return networks.load_network(file)


def _new_teacher(job: Job) -> keras.Model:
    section = job.recipe.teacher
    weights = networks.find_weights(section.weights, job.places)
    return networks.build_network(
        section, job.recipe, job.class_names, weights, "teacher"
    )


def _new_student(job: Job, recipe: Recipe) -> keras.Model:
    section = recipe.student
    weights = networks.find_weights(section.weights, job.places)
    return networks.build_network(section, recipe, job.class_names, weights, "student")


def _check_one_size(loaded: list[tuple[keras.Model, Path]]) -> None:
    first, path = loaded[0]
    for model, other in loaded[1:]:
        if model.input_shape != first.input_shape:
            raise ModelError(
                f"The teachers must take pictures of one size; {path} takes "
                f"{first.input_shape[1:]} and {other} {model.input_shape[1:]}."
            )


def _check_unseen(job: Job, teacher: Path) -> None:
    """Warn where a teacher learned from images that are held out here."""
    beside = teacher.with_name("splits.json")
    if not beside.is_file():
        job.warnings.append(
            f"Which images the teacher {teacher.name} was trained on is not known "
            "(there is no splits.json beside it)."
        )
        return
    learned = set(read_json(beside).get("splits", {}).get("train", ()))
    for split in ("test", "validation"):
        seen = learned & set(job.samples.subset(split).ids.tolist())
        if seen:
            job.warnings.append(
                f"The teacher {teacher.name} was trained on {len(seen)} of this run's "
                f"{split} images: its figures on them are too good."
            )
