"""The explain room: where a network looks, and how far that can be believed.

Names are loaded when first used; the first use loads TensorFlow.
"""

import importlib

_NAMES = {
    "METHODS": "kerakd.explain.names",
    "explain": "kerakd.explain.asking",
    "explain_many": "kerakd.explain.asking",
    "methods_for": "kerakd.explain.asking",
    "gradcam": "kerakd.explain.methods",
    "gradcam_plus_plus": "kerakd.explain.methods",
    "layercam": "kerakd.explain.methods",
    "scorecam": "kerakd.explain.methods",
    "saliency": "kerakd.explain.methods",
    "smoothgrad": "kerakd.explain.methods",
    "integrated_gradients": "kerakd.explain.methods",
    "attention_rollout": "kerakd.explain.methods",
    "rise": "kerakd.explain.methods",
    "Explanation": "kerakd.explain.explanation",
    "Network": "kerakd.explain.network",
    "reference": "kerakd.explain.library",
    "compare_maps": "kerakd.explain.similarity",
    "agreement": "kerakd.explain.attention",
    "agreement_of_maps": "kerakd.explain.attention",
    "faithfulness": "kerakd.explain.evidence",
    "deletion_insertion": "kerakd.explain.perturbation",
    "weight_randomisation": "kerakd.explain.randomisation",
    "against_masks": "kerakd.explain.masks",
}

__all__ = [*_NAMES]


def __getattr__(name: str):
    if name not in _NAMES:
        raise AttributeError(f"module 'kerakd.explain' has no attribute {name!r}")
    value = getattr(importlib.import_module(_NAMES[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
