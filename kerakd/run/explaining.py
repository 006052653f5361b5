"""Heat maps of a finished run: how far teacher and student agree, and can be believed.

What is cheap is done for every test image; what needs tens or hundreds of passes for
one image, for a sample that is drawn evenly from all classes.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kerakd.data import ImageBatches, Samples
from kerakd.errors import ModelError, RecipeError, nearest
from kerakd.explain.asking import explain_many, methods_for
from kerakd.explain.attention import agreement_of_maps, collect
from kerakd.explain.evidence import faithfulness, masks_part, measure_masks
from kerakd.explain.explanation import Explanation
from kerakd.explain.layers import finer_layer
from kerakd.explain.masks import find_masks, read_mask
from kerakd.explain.methods import layercam
from kerakd.explain.names import METHODS
from kerakd.files import write_json
from kerakd.run import networks
from kerakd.run.assess import samples_of
from kerakd.run.auditing import CLUSTERS, read_clusters
from kerakd.run.explained_export import compare_exports
from kerakd.run.explained_pages import draw
from kerakd.run.leaks import Leaks

CHEAP = ("gradcam", "gradcam_plus_plus", "layercam", "saliency")
"""Methods that are done for every image."""

# Of Score-CAM: half of the default, which doubles the images for the same time.
_CHANNELS = 32


@dataclass(frozen=True)
class Study:
    """What is asked, and of whom.

    Attributes:
        folder: The run folder.
        samples: The test images.
        teacher: The members of the teacher.
        student: The student.
        methods: By name, in order.
    """

    folder: Path
    samples: Samples
    teacher: list[Any]
    student: Any
    methods: list[str]

    def pictures(self, samples: Samples) -> ImageBatches:
        """Images as teacher and student see them."""
        shapes = {"student": self.student.input_shape[1:]}
        # Of members that see different sizes the largest: the others get it smaller.
        shapes["teacher"] = max((m.input_shape[1:] for m in self.teacher), key=np.prod)
        return ImageBatches(
            samples, sizes={key: (s[:2], s[2]) for key, s in shapes.items()}
        )

    def arrays(self, samples: Samples) -> dict[str, np.ndarray]:
        """The same as arrays, by role; for a sample."""
        batches = [x for x, _ in self.pictures(samples).dataset()]
        return {
            role: np.concatenate([np.asarray(x[role]) for x in batches])
            for role in ("teacher", "student")
        }


def explain_run(
    run: str | os.PathLike,
    data: str | os.PathLike | None = None,
    masks: str | os.PathLike | None = None,
    methods: Sequence[str] | None = None,
    images: int = 32,
    limit: int | None = None,
    exports: int = 12,
    rise_masks: int = 300,
    seed: int = 0,
    tell: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Explain teacher and student of a run on its test images.

    Writes `explain/agreement.json`, `explain/faithfulness.json`,
    `figures/summary_visualization.png`, `figures/attention_<method>.png` and
    `figures/faithfulness.png` into the run folder. All maps are about the true class;
    a teacher of several networks is the mean of their maps and of their probabilities.

    Args:
        run: A run folder with `student.keras` and `teacher.keras`, or `teacher_0.keras`
            and so on.
        data: The folder of the images, as in `kerakd.data.resolve`.
        masks: A folder of tumour masks, `<class>/<name of the test image>.png`.
        methods: Names from `kerakd.explain.METHODS`; by default those that suit teacher
            and student.
        images: How many test images the costly methods, deletion, insertion and the
            sanity check take.
        limit: At most so many test images in all, for a trial.
        exports: How many images the `.tflite` files are compared on; 0 for none.
        rise_masks: Masks of RISE for each of them.
        seed: Of samples, bootstrap and masks.
        tell: Called with a sentence before each step.

    Returns:
        `{"agreement": ..., "faithfulness": ...}`, the two files.

    Raises:
        ModelError: The run has no teacher or student, or they cannot be explained.
        DataError: The images or masks cannot be read.
        RecipeError: An option is out of range.
    """
    least_two = {"images": images, "rise_masks": rise_masks, "limit": limit}
    for name, value in least_two.items():
        if value is not None and value < 2:
            raise RecipeError(f"{name} must be at least 2, not {value}.")
    # Before anything is read: a misspelt name needs no data to be told.
    for method in methods or ():
        if method not in METHODS:
            raise RecipeError(
                f"There is no method {method!r}. {nearest(method, METHODS)}"
            )
    study = _open(Path(run), data, methods, limit, seed)
    tumours = _masks(study, masks)
    part = sample_evenly(study.samples.labels, images, seed)
    few = study.samples.take(part)
    cheap = [m for m in study.methods if m in CHEAP]
    costly = [m for m in study.methods if m not in CHEAP]
    options = {"scorecam": {"channels": _CHANNELS}}

    tell(f"Agreement on {len(study.samples)} images: {', '.join(cheap) or 'no method'}")
    whole = collect(study.teacher, study.student, study.pictures(study.samples), cheap)
    agreement = _agreement(whole, study.samples, seed)
    arrays = study.arrays(few)
    explained: dict[str, dict[str, Explanation]] = {}
    for role, model in (("teacher", study.teacher), ("student", study.student)):
        tell(f"The {role} on {len(few)} images: {', '.join(study.methods)}")
        explained[role] = explain_many(
            model, arrays[role], study.methods, few.labels, options=options
        )
    at = {
        role: {m: found[m].at((32, 32)) for m in costly}
        for role, found in explained.items()
    }
    if costly:
        sampled = {key: whole[key][part] for key in whole if key.endswith("says")}
        sampled |= at | {"labels": few.labels}
        agreement["methods"] |= _agreement(sampled, few, seed)["methods"]
    agreement |= {"target": "label", "resolution": 32, "sample": len(few)}

    found: dict[str, Any] = {}
    for role, model in (("teacher", study.teacher), ("student", study.student)):
        tell(f"Faithfulness of the {role}: deletion, insertion, randomised weights")
        found[role] = faithfulness(
            model,
            arrays[role],
            few.labels,
            explanations=explained[role],
            groups=few.groups,
            options=options,
            seed=seed,
        )
        if tumours:
            tell(f"The {role} against {len(tumours)} tumour masks")
            _against_masks(
                study, role, model, tumours, part, explained[role], found[role], seed
            )
    if exports:
        files = sorted(study.folder.glob("student_*.tflite"))
        compared = sample_evenly(few.labels, exports, seed)
        for file in files:
            tell(f"RISE of {file.name} and of student.keras on {len(compared)} images")
        found["exports"] = compare_exports(
            study.student,
            files,
            arrays["student"][compared],
            few.labels[compared],
            rise_masks,
            seed,
        )
    for name, value in (("agreement", agreement), ("faithfulness", found)):
        write_json(study.folder / "explain" / f"{name}.json", value)
    tell("Figures")
    draw(
        study.folder,
        study.samples.class_names,
        arrays,
        few.labels,
        {key: whole[key][part] for key in ("teacher_says", "student_says")},
        explained,
        {k: read_mask(tumours[row]) for k, row in enumerate(part) if row in tumours},
        agreement,
        found,
        teacher=study.teacher,
        student=study.student,
    )
    return {"agreement": agreement, "faithfulness": found}


def sample_evenly(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Rows of `count` pictures, as many of each class as can be, in table order."""
    generator = np.random.default_rng(seed)
    classes = np.unique(labels)
    chosen = [generator.permutation(np.flatnonzero(labels == k)) for k in classes]
    turns = [
        rows[turn]
        for turn in range(max(map(len, chosen)))
        for rows in chosen
        if turn < len(rows)
    ]
    return np.sort(np.array(turns[:count]))


def _open(
    folder: Path,
    data: str | os.PathLike | None,
    methods: Sequence[str] | None,
    limit: int | None,
    seed: int,
) -> Study:
    files = networks.teacher_files(folder)
    student = folder / "student.keras"
    if not files or not student.is_file():
        raise ModelError(
            f"{folder} has no {'student.keras' if files else 'teacher.keras'}; give a "
            "finished run folder, or one model and --image."
        )
    samples = _in_clusters(samples_of(folder, data), folder).subset("test")
    if limit is not None:
        samples = samples.take(sample_evenly(samples.labels, limit, seed))
    teachers = [networks.load_logits(file) for file in files]
    learned = networks.load_logits(student)
    for model, file in zip([*teachers, learned], [*files, student], strict=True):
        count = model.output_shape[-1]
        if max(2, count) != len(samples.class_names):
            raise ModelError(
                f"{file} tells {count} classes apart, the images have "
                f"{len(samples.class_names)} ({', '.join(samples.class_names)})."
            )
    fitting = [m for m in methods_for(teachers) if m in methods_for(learned)]
    for method in methods or ():
        if method not in fitting and method != "rise":
            raise ModelError(
                f"The method {method!r} does not suit teacher and student; these do: "
                f"{', '.join(fitting)}."
            )
    return Study(folder, samples, teachers, learned, list(methods or fitting))


def _in_clusters(samples: Samples, folder: Path) -> Samples:
    """Samples whose groups are also the clusters of copies that the run's audit found.

    The bootstrap draws whole groups: copies of one picture are no independent evidence.
    """
    file = folder / CLUSTERS
    if not file.is_file():
        return samples
    groups = Leaks.of(samples, read_clusters(file)).groups
    return replace(samples, table=samples.table.assign(group=groups))


def _agreement(collected: dict[str, Any], samples: Samples, seed: int) -> dict:
    return agreement_of_maps(
        collected["teacher"],
        collected["student"],
        collected["labels"],
        collected["teacher_says"],
        collected["student_says"],
        class_names=samples.class_names,
        groups=samples.groups,
        seed=seed,
    )


def _masks(study: Study, folder: str | os.PathLike | None) -> dict[int, Path]:
    if folder is None:
        return {}
    table = study.samples.table
    return find_masks(folder, study.samples.ids, table["label"].tolist())


def _against_masks(
    study: Study,
    role: str,
    model: Any,
    tumours: dict[int, Path],
    part: np.ndarray,
    explained: dict[str, Explanation],
    result: dict[str, Any],
    seed: int,
) -> None:
    """Cheap methods on every mask, costly ones on those of the sample."""
    cheap = [m for m in study.methods if m in CHEAP]
    rows = np.array(sorted(tumours))
    masked = study.samples.take(rows)
    measured: dict[str, list[dict]] = {method: [] for method in cheap}
    done = 0
    for x, y in study.pictures(masked).dataset():
        found = explain_many(model, np.asarray(x[role]), cheap, np.asarray(y))
        here = {k: read_mask(tumours[rows[done + k]]) for k in range(len(y))}
        for method, one in found.items():
            measured[method].append(measure_masks(one.maps, here))
        done += len(y)
    _finer(study, role, model, masked, tumours, rows, result, seed)
    for method, parts in measured.items():
        joined = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
        result["methods"][method]["masks"] = masks_part(
            joined, masked.groups, seed=seed
        ) | {"by_class": _by_class(joined, masked, seed)}
    here = {k: read_mask(tumours[row]) for k, row in enumerate(part) if row in tumours}
    if not here:
        return
    groups = study.samples.take(part[sorted(here)]).groups
    for method, one in explained.items():
        if method not in cheap:
            measured_few = measure_masks(one.maps, here)
            result["methods"][method]["masks"] = masks_part(
                measured_few, groups, seed=seed
            )


def _finer(
    study: Study,
    role: str,
    model: Any,
    masked: Samples,
    tumours: dict[int, Path],
    rows: np.ndarray,
    result: dict[str, Any],
    seed: int,
) -> None:
    """LayerCAM at a finer layer: a tumour is often smaller than a cell of the last."""
    members = model if isinstance(model, list) else [model]
    layers = [finer_layer(member) for member in members]
    if None in layers:
        return
    maps = []
    for x, y in study.pictures(masked).dataset():
        size = tuple(x[role].shape[1:3])
        found = [
            layercam(member, np.asarray(x[role]), np.asarray(y), layer=layer).at(size)
            for member, layer in zip(members, layers, strict=True)
        ]
        maps.append(np.mean(found, axis=0))
    here = {k: read_mask(tumours[row]) for k, row in enumerate(rows)}
    measured = measure_masks(np.concatenate(maps), here)
    result["finer_layercam"] = masks_part(measured, masked.groups, seed=seed) | {
        "layers": layers
    }


def _by_class(measured: dict[str, np.ndarray], samples: Samples, seed: int) -> dict:
    found = {}
    for k, name in enumerate(samples.class_names):
        rows = samples.labels == k
        if rows.any():
            found[name] = masks_part(
                {key: values[rows] for key, values in measured.items()},
                samples.groups[rows],
                seed=seed,
            )
    return found
