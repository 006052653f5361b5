"""Each method as a function of its own, with its paper and its options."""

from typing import Any

from kerakd.explain.asking import explain
from kerakd.explain.explanation import Explanation


def gradcam(model: Any, images: Any, classes: Any = None, **more: Any) -> Explanation:
    """Grad-CAM: activations weighed by their mean gradient.

    "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
    Selvaraju et al., ICCV 2017 (arXiv:1610.02391). Arguments, errors and result as
    `explain`.
    """
    return explain(model, images, "gradcam", classes, **more)


def gradcam_plus_plus(
    model: Any, images: Any, classes: Any = None, **more: Any
) -> Explanation:
    """Grad-CAM++: pixel-wise weights of the positive gradients.

    "Grad-CAM++: Improved Visual Explanations for Deep Convolutional Networks",
    Chattopadhyay et al., WACV 2018 (arXiv:1710.11063). The factor exp(score), which
    turns other implementations' maps into NaN from a logit of about 89 on, is left out:
    it is common to a whole map. Arguments, errors and result as `explain`.
    """
    return explain(model, images, "gradcam_plus_plus", classes, **more)


def layercam(model: Any, images: Any, classes: Any = None, **more: Any) -> Explanation:
    """LayerCAM: activations weighed cell by cell by their positive gradient.

    "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization", Jiang et
    al., IEEE TIP 2021. Finer layers give finer maps: `layer="block_5_add"`. Arguments,
    errors and result as `explain`.
    """
    return explain(model, images, "layercam", classes, **more)


def scorecam(
    model: Any,
    images: Any,
    classes: Any = None,
    channels: int | None = 64,
    **more: Any,
) -> Explanation:
    """Score-CAM: activations weighed by the probability that is left under them.

    "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks",
    Wang et al., CVPRW 2020 (arXiv:1910.01279), and Faster Score-CAM for `channels`.
    Costs a forward pass for each channel and picture. `scores` are probabilities.

    Args:
        model: As `explain`.
        images: The same.
        classes: The same.
        channels: How many activation maps are tried, those that vary most in the
            picture; `None` for all.
        **more: As `explain`.
    """
    return explain(model, images, "scorecam", classes, channels=channels, **more)


def saliency(model: Any, images: Any, classes: Any = None, **more: Any) -> Explanation:
    """Saliency: the largest absolute gradient of the score at each pixel.

    "Deep Inside Convolutional Networks", Simonyan et al., 2013 (arXiv:1312.6034).
    Arguments, errors and result as `explain`.
    """
    return explain(model, images, "saliency", classes, **more)


def smoothgrad(
    model: Any,
    images: Any,
    classes: Any = None,
    samples: int = 16,
    noise: float = 0.2,
    seed: int = 0,
    **more: Any,
) -> Explanation:
    """SmoothGrad: the mean saliency of noisy copies.

    "SmoothGrad: removing noise by adding noise", Smilkov et al., 2017
    (arXiv:1706.03825).

    Args:
        model: As `explain`.
        images: The same.
        classes: The same.
        samples: How many copies, at least 1.
        noise: Standard deviation as a share of the picture's range of values.
        seed: Of the noise, the same for all pictures.
        **more: As `explain`.
    """
    return explain(
        model,
        images,
        "smoothgrad",
        classes,
        samples=samples,
        noise=noise,
        seed=seed,
        **more,
    )


def integrated_gradients(
    model: Any,
    images: Any,
    classes: Any = None,
    baseline: Any = 0.0,
    steps: int = 16,
    tolerance: float = 0.004,
    most_steps: int = 256,
    **more: Any,
) -> Explanation:
    """Integrated gradients: what each pixel adds on the way from a baseline.

    "Axiomatic Attribution for Deep Networks", Sundararajan et al., ICML 2017
    (arXiv:1703.01365), by the midpoint rule. Attributions sum to the score's rise above
    the baseline's; how exactly is reported, and where a picture misses it by more than
    `tolerance`, those steps that miss most are cut into three.

    Args:
        model: As `explain`.
        images: The same.
        classes: The same.
        baseline: The picture that says nothing: a number (0 is black), or pixels of
            the network's input shape.
        steps: Even steps on the way to begin with, at least 2.
        tolerance: Completeness error that is good enough, above 0.
        most_steps: How many steps there may be in the end.
        **more: As `explain`.

    Returns:
        An `Explanation` with `details`: `attributions` (signed, at the network's size,
        (B, h, w, C)), `delta` (B,), `completeness_error` (delta as a share of the
        rise, (B,)) and `steps` (B,).
    """
    return explain(
        model,
        images,
        "integrated_gradients",
        classes,
        baseline=baseline,
        steps=steps,
        tolerance=tolerance,
        most_steps=most_steps,
        **more,
    )


def attention_rollout(
    model: Any, images: Any, classes: Any = None, **more: Any
) -> Explanation:
    """Attention rollout: how much of each patch reaches the two tokens of a DeiT.

    "Quantifying Attention Flow in Transformers", Abnar and Zuidema, ACL 2020
    (arXiv:2005.00928). It knows no class: the map is the same for every one. Arguments,
    errors and result as `explain`.
    """
    return explain(model, images, "attention_rollout", classes, **more)


def rise(
    model: Any,
    images: Any,
    classes: Any = None,
    masks: int = 500,
    cells: int = 7,
    keep: float = 0.5,
    fill: float = 0.0,
    seed: int = 0,
    **more: Any,
) -> Explanation:
    """RISE: the mean probability under the random masks that show a pixel.

    "RISE: Randomized Input Sampling for Explanation of Black-box Models", Petsiuk et
    al., BMVC 2018 (arXiv:1806.07421). It needs logits only, so it explains an int8
    `.tflite` file as it is; with the same seed two models see the same masks. `scores`
    are probabilities.

    Args:
        model: As `explain`, or any callable from pictures to logits.
        images: The same.
        classes: The same.
        masks: How many, at least 2.
        cells: Cells of a mask across and down, at least 2.
        keep: Share of cells that are shown, between 0 and 1.
        fill: What hidden pixels become.
        seed: Of the masks.
        **more: As `explain`.
    """
    return explain(
        model,
        images,
        "rise",
        classes,
        masks=masks,
        cells=cells,
        keep=keep,
        fill=fill,
        seed=seed,
        **more,
    )
