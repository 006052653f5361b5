"""Heat maps by the name of a method: of one network, several, or a black box."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerakd.errors import ModelError, RecipeError, nearest
from kerakd.evaluation.classification import probabilities
from kerakd.explain.explanation import Explanation
from kerakd.explain.names import METHODS, NEEDS_LAYER, SHARED


def explain(
    model: Any,
    images: Any,
    method: str = "gradcam",
    classes: Any = None,
    *,
    layer: str | None = None,
    region: Any = None,
    batch_size: int = 32,
    **options: Any,
) -> Explanation:
    """Heat maps of a batch of pictures.

    ```python
    found = kerakd.explain.explain(student, images, "gradcam")
    found.maps                      # (B, H, W), 0..1, at the size of the pictures
    ```

    Args:
        model: A `keras.Model` that ends in logits: flat, nested or Sequential, of
            classes, of one logit, or of a U-Net's pixels; a Distiller (its student); a
            list of models, whose maps and opinions are averaged; for `"rise"` also any
            callable from pictures to logits, such as `kerakd.compress.LiteRTModel`.
        images: Raw pixels (B, H, W, C). They are brought to the network's size and
            channels; the maps come back at the size given here.
        method: One of `METHODS`.
        classes: Which class the maps are about: `None` for the one that the network
            itself gives; one for all; or one for each picture. For a network of pixels
            `None` is the class of most pixels after class 0.
        layer: For activation maps, the layer to read, see
            `kerakd.explain.layers.find_features`.
        region: For networks of pixels, whose logits are averaged, (B, H, W) at the size
            of the network's output; by default the pixels given to the class
            ("Towards Interpretable Semantic Segmentation via Gradient-weighted Class
            Activation Mapping", Vinogradova et al., AAAI 2020).
        batch_size: Pictures in a pass.
        **options: Of the method, see the function of its name.

    Returns:
        An `Explanation`.

    Raises:
        ModelError: The model cannot be explained by this method.
        DataError: The images or classes do not fit the model.
        RecipeError: There is no such method or option.
    """
    return explain_many(
        model,
        images,
        [method],
        classes,
        layer=layer,
        region=region,
        batch_size=batch_size,
        options={method: options},
    )[method]


def explain_many(
    model: Any,
    images: Any,
    methods: Sequence[str],
    classes: Any = None,
    *,
    layer: str | None = None,
    region: Any = None,
    batch_size: int = 32,
    options: dict[str, dict[str, Any]] | None = None,
) -> dict[str, Explanation]:
    """Heat maps by several methods, about the same classes.

    Grad-CAM, Grad-CAM++ and LayerCAM share one pass. Arguments as in `explain`, with
    `options` by method.
    """
    for method in methods:
        if method not in METHODS:
            raise RecipeError(
                f"There is no method {method!r}. {nearest(method, METHODS)}"
            )
    options = options or {}
    if batch_size < 1:
        raise RecipeError(f"batch_size must be at least 1, not {batch_size}.")
    if isinstance(model, list | tuple):
        return _of_ensemble(
            model,
            images,
            methods,
            classes,
            layer=layer,
            region=region,
            batch_size=batch_size,
            options=options,
        )
    if not _is_network(model):
        return {
            method: _of_black_box(
                model, images, method, classes, batch_size, options.get(method, {})
            )
            for method in methods
        }
    from kerakd.explain.network import network_of

    network = network_of(model, layer)
    size = tuple(np.shape(images)[1:3])
    x = network.check(images)
    parts = []
    for start in range(0, len(x), batch_size):
        rows = slice(start, start + batch_size)
        part_classes = classes
        if classes is not None and np.ndim(classes):
            part_classes = np.asarray(classes)[rows]
        part_region = region
        if region is not None and np.ndim(region) == 3:
            part_region = np.asarray(region)[rows]
        asked = network.targets(x[rows], part_classes, part_region)
        parts.append((asked[0], _answers(network, x[rows], methods, *asked, options)))
    about = np.concatenate([part[0] for part in parts])
    return {
        method: _joined(method, [part[1][method] for part in parts], about, size)
        for method in methods
    }


def methods_for(model: Any) -> list[str]:
    """The methods that suit a model, or all members of an ensemble.

    Args:
        model: As in `explain`.

    Returns:
        Names from `METHODS`, in that order. RISE, which needs hundreds of passes for a
        picture, is named only where nothing else is possible.
    """
    if isinstance(model, list | tuple):
        fitting = [methods_for(one) for one in model]
        return [m for m in METHODS if all(m in found for found in fitting)]
    if not _is_network(model):
        return ["rise"]
    from kerakd.explain.network import network_of
    from kerakd.explain.rollout import has_attention

    try:
        network = network_of(model)
    except ModelError:
        return ["rise"]
    fitting = [m for m in METHODS if m not in ("attention_rollout", "rise")]
    try:
        _ = network.features
    except ModelError:
        fitting = [m for m in fitting if m not in NEEDS_LAYER]
    if has_attention(network):
        fitting.append("attention_rollout")
    return fitting


def _is_network(model: Any) -> bool:
    """Whether this is a Keras model, a Distiller or a `Network`."""
    import sys

    keras = sys.modules.get("keras")
    model = getattr(model, "student", model)
    if keras is None:
        return False
    from kerakd.explain.network import Network

    return isinstance(model, keras.Model | Network)


def _answers(
    network: Any,
    x: np.ndarray,
    methods: Sequence[str],
    classes: np.ndarray,
    region: np.ndarray,
    options: dict[str, dict[str, Any]],
) -> dict[str, tuple]:
    """For each method (scores, raw maps, details, layer) of one batch."""
    from kerakd.explain import black_box, cams, gradients, integrated, rollout

    found = {}
    shared = [method for method in methods if method in SHARED]
    for method in shared:
        _no_options(method, options)
    if shared:
        scores, maps = cams.gradient_cams(network, x, classes, region)
        name = network.features.name
        found = {method: (scores, maps[method], {}, name) for method in shared}
    for method in methods:
        more = options.get(method, {})
        if method in found:
            continue
        try:
            if method == "scorecam":
                scores, maps = cams.scorecam(network, x, classes, region, **more)
                found[method] = scores, maps, {}, network.features.name
            elif method == "integrated_gradients":
                scores, maps, details = integrated.integrated_gradients(
                    network, x, classes, region, **more
                )
                found[method] = scores, maps, details, None
            elif method == "attention_rollout":
                _no_options(method, options)
                maps = rollout.attention_rollout(network, x)
                scores = network.score(x, classes, region)
                found[method] = scores, maps, {}, None
            elif method == "rise":
                _, scores, maps = black_box.rise(network.logits, x, classes, **more)
                found[method] = scores, maps, {}, None
            else:
                function = getattr(gradients, method)
                scores, maps = function(network, x, classes, region, **more)
                found[method] = scores, maps, {}, None
        except TypeError as error:
            if "unexpected keyword" not in str(error):
                raise
            raise RecipeError(f"The method {method!r}: {error}.") from None
    return found


def _no_options(method: str, options: dict[str, dict[str, Any]]) -> None:
    if options.get(method):
        raise RecipeError(
            f"The method {method!r} has no options; got {', '.join(options[method])}."
        )


def _joined(
    method: str, parts: list[tuple], about: np.ndarray, size: tuple[int, int]
) -> Explanation:
    scores, raw, details, layers = zip(*parts, strict=True)
    return Explanation(
        method=method,
        raw=np.concatenate(raw).astype(np.float32),
        size=size,
        classes=about,
        scores=np.concatenate(scores).astype(np.float32),
        layer=layers[0],
        details={
            key: np.concatenate([one[key] for one in details]) for key in details[0]
        },
    )


def _of_black_box(
    forward: Any,
    images: Any,
    method: str,
    classes: Any,
    batch_size: int,
    options: dict[str, Any],
) -> Explanation:
    from kerakd.explain.black_box import fit_pictures, rise

    if method != "rise":
        raise ModelError(
            f"{type(forward).__name__} shows neither activations nor gradients, which "
            f"{method!r} needs; use method='rise', which only asks for logits."
        )
    if not callable(forward):
        raise ModelError(
            f"Expected a keras.Model or a function from pictures to logits; got "
            f"{forward!r}."
        )
    x = fit_pictures(images, getattr(forward, "input_shape", None))
    about, scores, raw = rise(forward, x, classes, batch_size=batch_size, **options)
    size = tuple(np.shape(images)[1:3])
    return Explanation(method, raw, size, about, scores)


def opinion(models: Sequence[Any], images: Any, batch_size: int = 32) -> np.ndarray:
    """Mean probabilities (B, [H, W,] classes) of several networks."""
    from kerakd.explain.black_box import fit_pictures
    from kerakd.explain.network import network_of

    said = []
    for model in models:
        if _is_network(model):
            network = network_of(model)
            x = network.check(images)
            forward: Callable = network.logits
        else:
            x = fit_pictures(images, getattr(model, "input_shape", None))
            forward = model
        logits = [
            np.asarray(forward(x[start : start + batch_size]))
            for start in range(0, len(x), batch_size)
        ]
        said.append(_softmax(np.concatenate(logits)))
    return np.mean(said, axis=0)


def _softmax(logits: np.ndarray) -> np.ndarray:
    if logits.ndim == 4:
        flat = probabilities(logits.reshape(-1, logits.shape[-1]))
        return flat.reshape(*logits.shape[:3], -1)
    return probabilities(logits)


def _of_ensemble(
    models: Sequence[Any],
    images: Any,
    methods: Sequence[str],
    classes: Any,
    region: Any,
    **more: Any,
) -> dict[str, Explanation]:
    """Means over the members: of their opinions for the class, of their maps.

    Each member's map is spread over 0..1 first, so that none outshouts the others.
    """
    if not models:
        raise ModelError("There is no model in the list; give at least one.")
    if len(models) == 1:
        return explain_many(models[0], images, methods, classes, region=region, **more)
    if classes is None or (region is None and _answers_pixels(models[0])):
        classes, region = _asked_of_all(
            opinion(models, images, more["batch_size"]), classes, region
        )
    members = [
        explain_many(model, images, methods, classes, region=region, **more)
        for model in models
    ]
    return {method: _mean([member[method] for member in members]) for method in methods}


def _answers_pixels(model: Any) -> bool:
    from kerakd.explain.network import network_of

    return _is_network(model) and network_of(model).dense


def _asked_of_all(chances: np.ndarray, classes: Any, region: Any) -> tuple[Any, Any]:
    """Classes and regions that the mean opinion gives, where none are given."""
    said = chances.argmax(-1)
    if chances.ndim == 2:
        return (said if classes is None else classes), region
    if classes is None:
        areas = [(said == k).sum(axis=(1, 2)) for k in range(1, chances.shape[-1])]
        classes = np.stack(areas, -1).argmax(-1) + 1
    if region is None:
        wanted = np.broadcast_to(np.asarray(classes), len(said))
        region = (said == wanted[:, None, None]).astype(np.float32)
        region[region.sum(axis=(1, 2)) == 0] = 1
    return classes, region


def _mean(members: list[Explanation]) -> Explanation:
    size = tuple(np.max([one.raw.shape[1:] for one in members], axis=0))
    first = members[0]
    details: dict[str, Any] = {"members": members}
    if "completeness_error" in first.details:
        errors = [one.details["completeness_error"] for one in members]
        details["completeness_error"] = np.mean(errors, axis=0)
    return Explanation(
        method=first.method,
        raw=np.mean([one.at(size) for one in members], axis=0, dtype=np.float32),
        size=first.size,
        classes=first.classes,
        scores=np.mean([one.scores for one in members], axis=0, dtype=np.float32),
        layer=first.layer,
        details=details,
    )
