"""How far heat maps can be believed: one table for a network."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerakd.errors import DataError
from kerakd.explain import masks as against
from kerakd.explain.asking import explain_many, methods_for
from kerakd.explain.explanation import Explanation
from kerakd.explain.intervals import mean_interval
from kerakd.explain.perturbation import deletion_insertion, random_maps
from kerakd.explain.randomisation import weight_randomisation

# A network that has forgotten everything has no smooth path worth hundreds of steps.
_ROUGH: dict[str, dict[str, Any]] = {
    "integrated_gradients": {"steps": 16, "most_steps": 16},
    "smoothgrad": {"samples": 6},
    "scorecam": {"channels": 16},
}


def faithfulness(
    model: Any,
    images: Any,
    labels: Any,
    methods: Sequence[str] | None = None,
    *,
    masks: Mapping[int, Any] | None = None,
    explanations: Mapping[str, Explanation] | None = None,
    groups: Any = None,
    steps: int = 16,
    stages: int = 6,
    randomised: int = 16,
    options: dict[str, dict[str, Any]] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Deletion and insertion, the sanity check, and agreement with masks.

    Maps are about the true class.

    Args:
        model: As in `kerakd.explain.explain`; a list is an ensemble, of which the
            sanity check takes the first member.
        images: Raw pixels (N, H, W, C).
        labels: Class indices (N,).
        methods: Names of methods; by default those that suit the model.
        masks: By position in `images`, the mask of the tumour, of any size (H, W);
            pictures with a mask are measured against it.
        explanations: By method, maps of `images` about `labels` that are there already.
        groups: What the bootstrap draws together, (N,).
        steps: Of deletion and insertion; 0 leaves them out.
        stages: Of the randomisation; 0 leaves it out.
        randomised: How many pictures the sanity check takes, from all over `images`.
        options: Options of methods, by name.
        resamples: Draws of the bootstrap.
        seed: Of bootstrap, random maps and randomisation.

    Returns:
        JSON-able, by method: `deletion` and `insertion` (`area`, an interval; `curve`,
        means; `better_than_random`: the mean difference to the area of a random map,
        positive where the method is better, an interval), `masks` (see
        `masks_part`), and `randomisation` (`layers`, and the mean rank correlation with
        the trained network's maps). Under `random`: the areas of random maps. Under
        `completeness`: the quartiles of integrated gradients' completeness error.

    Raises:
        ModelError: The model cannot be explained.
        DataError: The parts do not fit together.
    """
    images, labels = np.asarray(images, np.float32), np.asarray(labels)
    if len(images) != len(labels) or len(images) == 0:
        raise DataError(
            f"There are {len(images)} pictures and {len(labels)} labels; give one "
            "label for each picture."
        )
    found = dict(explanations or {})
    if methods is None:
        methods = list(found) or methods_for(model)
    missing = [method for method in methods if method not in found]
    if missing:
        found |= explain_many(model, images, missing, labels, options=options)
    found = {method: found[method] for method in methods}
    result: dict[str, Any] = {
        "count": len(images),
        "methods": {m: {"empty": int(one.empty.sum())} for m, one in found.items()},
    }
    draw = {"resamples": resamples, "seed": seed}
    if steps:
        shuffled = random_maps(len(images), images.shape[1:3], seed)
        by_chance = deletion_insertion(model, images, shuffled, labels, steps)
        result["shares"] = by_chance["shares"].tolist()
        result["random"] = {
            name: {
                "area": mean_interval(by_chance[f"{name}_area"], groups, **draw),
                "curve": by_chance[name].mean(axis=0).tolist(),
            }
            for name in ("deletion", "insertion")
        }
        for method, one in found.items():
            curves = deletion_insertion(model, images, one.maps, labels, steps)
            for name, sign in (("deletion", -1), ("insertion", 1)):
                area, chance = curves[f"{name}_area"], by_chance[f"{name}_area"]
                result["methods"][method][name] = {
                    "area": mean_interval(area, groups, **draw),
                    "better_than_random": mean_interval(
                        sign * (area - chance), groups, **draw
                    ),
                    "curve": curves[name].mean(axis=0).tolist(),
                }
    if masks:
        for method, one in found.items():
            measured = measure_masks(one.maps, masks)
            rows = sorted(masks)
            chosen = None if groups is None else np.asarray(groups)[rows]
            result["methods"][method]["masks"] = masks_part(measured, chosen, **draw)
    if stages:
        # The trained network's maps are made the same, rougher way.
        rows = np.unique(np.linspace(0, len(images) - 1, randomised).astype(int))
        one = model[0] if isinstance(model, list | tuple) else model
        forgotten = weight_randomisation(
            one,
            images[rows],
            methods,
            labels[rows],
            stages,
            seed=seed,
            options={**(options or {}), **_ROUGH},
        )
        for method, values in forgotten["methods"].items():
            result["methods"][method]["randomisation"] = {
                "layers": forgotten["layers"],
                "of": forgotten["of"],
                "count": len(rows),
                "rank_correlation": [
                    _mean(stage) for stage in values["rank_correlation"]
                ],
            }
    for one in found.values():
        if "completeness_error" in one.details:
            result["completeness"] = quartiles(one.details["completeness_error"])
    return result


def measure_masks(maps: np.ndarray, masks: Mapping[int, Any]) -> dict[str, np.ndarray]:
    """`against_masks` of some of the maps, in order of position.

    Args:
        maps: Maps (N, H, W).
        masks: By position in `maps`, masks of any size.
    """
    from kerakd.explain.resizing import resize_maps

    rows = []
    for row in sorted(masks):
        mask = np.asarray(masks[row])
        if mask.ndim != 2:
            raise DataError(f"A mask must be (height, width); got {mask.shape}.")
        one = resize_maps(maps[row][None], mask.shape)
        rows.append(against.against_masks(one, mask[None]))
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def masks_part(
    measured: Mapping[str, np.ndarray],
    groups: Any = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """What `against_masks` measured, as means with intervals and chance.

    Returns:
        `pointing`, `energy` and `iou`: `{mean, interval, count, chance}`, `pointing`
        also with `centre`, the share of pictures whose middle lies in the mask.
    """
    part = {
        name: mean_interval(measured[name], groups, resamples, seed)
        | {"chance": _mean(measured[f"{name}_chance"])}
        for name in against.MEASURES
    }
    part["pointing"]["centre"] = _mean(measured["pointing_centre"])
    return part


def quartiles(values: Any) -> dict[str, Any]:
    """Median, quartiles and largest of some values, JSON-able."""
    low, middle, high, most = np.percentile(values, [25, 50, 75, 100])
    return {
        "median": float(middle),
        "quartiles": [float(low), float(high)],
        "largest": float(most),
        "count": len(values),
    }


def _mean(values: np.ndarray) -> float | None:
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else None
