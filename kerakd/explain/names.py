"""What the methods are called."""

METHODS = (
    "gradcam",
    "gradcam_plus_plus",
    "layercam",
    "scorecam",
    "saliency",
    "smoothgrad",
    "integrated_gradients",
    "attention_rollout",
    "rise",
)
"""All methods; `methods_for(model)` are those that suit a model."""

TITLES = {
    "gradcam": "Grad-CAM",
    "gradcam_plus_plus": "Grad-CAM++",
    "layercam": "LayerCAM",
    "scorecam": "Score-CAM",
    "saliency": "Saliency",
    "smoothgrad": "SmoothGrad",
    "integrated_gradients": "Integrated gradients",
    "attention_rollout": "Attention rollout",
    "rise": "RISE",
}

# From one pass, for hardly more than its price.
SHARED = ("gradcam", "gradcam_plus_plus", "layercam")
NEEDS_LAYER = (*SHARED, "scorecam")
