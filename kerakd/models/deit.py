"""DeiT, a vision transformer that was trained by distillation, on KerasHub's layers.

KerasHub's backbone hides all its blocks in one layer that gives three tensors and
cannot be saved on its own. Its layers are laid out here one by one, so that every
block can be tapped and the model is a plain graph.
"""

import math
from typing import Any

import keras
import keras_hub
import numpy as np
from keras_hub.src.models.deit.deit_layers import DeiTEmbeddings, DeiTEncoderBlock

from kerakd.errors import ModelError
from kerakd.models.ends import (
    IMAGENET_OFFSET,
    IMAGENET_SCALE,
    check_count,
    check_image_shape,
    check_rate,
    classifier,
    pixels,
)
from kerakd.models.sources import Arrays, Source, first_line, keras_cache

PRESET = "deit_small_distilled_patch16_224_imagenet"
_TOKENS = 2  # class and distillation, before the patches
_NAMES = {"embeddings": "patches_and_tokens", "norm": "final_norm"}


@keras.saving.register_keras_serializable("kerakd")
class PatchesAndTokens(DeiTEmbeddings):
    """KerasHub's embedding of patches, tokens and positions, in a form that is saved.

    Its parent writes derived numbers into its config that its constructor refuses.
    """

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {k: v for k, v in config.items() if k not in _DERIVED}

    def multiply_adds(self, input_shape: tuple) -> int:
        """Multiply-adds for one picture: the convolution that embeds the patches."""
        return self.num_patches * math.prod(self.patch_embedding.kernel.shape)


@keras.saving.register_keras_serializable("kerakd")
class TransformerBlock(DeiTEncoderBlock):
    """KerasHub's encoder block with one output, in a form that is saved."""

    def call(self, hidden_states: Any) -> Any:
        return super().call(hidden_states)[0]

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {k: v for k, v in config.items() if k not in _DERIVED}

    def multiply_adds(self, input_shape: tuple) -> int:
        """Multiply-adds for one picture: attention and the two dense layers."""
        _, tokens, width = input_shape
        projections = 4 * tokens * width * width
        attention = 2 * tokens * tokens * width
        dense = 2 * tokens * width * self.intermediate_dim
        return projections + attention + dense


_DERIVED = {"num_patches", "num_positions", "key_dim"}


def deit_small(
    num_classes: int,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    *,
    patch_size: int = 16,
    num_layers: int = 12,
    hidden_dim: int = 384,
    num_heads: int = 6,
    intermediate_dim: int = 1536,
    dropout: float = 0.0,
    attention_dropout: float = 0.0,
) -> keras.Model:
    """DeiT-S distilled: the mean of the logits of a class and a distillation token.

    "Training data-efficient image transformers & distillation through attention",
    Touvron et al., ICML 2021 (arXiv:2012.12877). The two heads are the layers
    `"class_logits"` and `"distillation_logits"`, the blocks `"block1"`, `"block2"`,
    ... and the normalised tokens `"final_norm"`, of shape `(batch, 2 + patches,
    hidden_dim)`; all can be tapped.

    Args:
        num_classes: How many classes, at least 2.
        input_shape: Height and width, multiples of `patch_size`, and 1 or 3 channels.
        patch_size: Side of a patch in pixels.
        num_layers: How many transformer blocks.
        hidden_dim: Width of a token; a multiple of `num_heads`.
        num_heads: Attention heads of a block.
        intermediate_dim: Units of a block's hidden dense layer.
        dropout: Share of activations dropped in the embedding, in the blocks and
            before the heads.
        attention_dropout: Share of attention weights dropped.

    Returns:
        A model with raw pixels (RGB or grey, 0..255) in and logits out.

    Raises:
        ModelError: An argument is out of range.
    """
    sizes = {
        "patch_size": patch_size,
        "num_layers": num_layers,
        "hidden_dim": hidden_dim,
        "num_heads": num_heads,
        "intermediate_dim": intermediate_dim,
    }
    for name, value in sizes.items():
        check_count(name, value)
    check_rate("dropout", dropout)
    check_rate("attention_dropout", attention_dropout)
    if hidden_dim % num_heads:
        raise ModelError(
            f"`hidden_dim` must be a multiple of `num_heads`, got {hidden_dim} and "
            f"{num_heads}."
        )
    height, width, _ = shape = check_image_shape(input_shape, smallest=patch_size)
    if height % patch_size or width % patch_size:
        raise ModelError(
            f"`input_shape` must be a multiple of the patch size {patch_size} in "
            f"height and width, got {shape}."
        )
    image, x = pixels(shape, IMAGENET_SCALE, IMAGENET_OFFSET)
    x = PatchesAndTokens(
        image_size=(height, width),
        patch_size=(patch_size, patch_size),
        hidden_dim=hidden_dim,
        dropout_rate=dropout,
        name=_NAMES["embeddings"],
    )(x)
    for number in range(1, num_layers + 1):
        x = TransformerBlock(
            num_heads=num_heads,
            hidden_dim=hidden_dim,
            intermediate_dim=intermediate_dim,
            dropout_rate=dropout,
            attention_dropout=attention_dropout,
            name=f"block{number}",
        )(x)
    x = keras.layers.LayerNormalization(epsilon=1e-6, name=_NAMES["norm"])(x)
    last = x.shape[1] - 1
    heads = []
    for position, token in enumerate(("class", "distillation")):
        # Cropping and flattening, where x[:, 0] would be no layer.
        vector = keras.layers.Cropping1D(
            (position, last - position), name=f"{token}_token"
        )(x)
        vector = keras.layers.Flatten(name=f"{token}_features")(vector)
        heads.append(classifier(vector, num_classes, dropout, name=f"{token}_logits"))
    logits = keras.layers.Average(dtype="float32", name="logits")(heads)
    return keras.Model(image, logits, name="deit_small")


class _Preset(Source):
    """The weights that KerasHub publishes."""

    def reference(self, input_shape, options):
        return keras_hub.models.DeiTBackbone(
            image_shape=(*input_shape[:2], 3),
            **{
                key: options[key]
                for key in (
                    "patch_size",
                    "num_layers",
                    "num_heads",
                    "hidden_dim",
                    "intermediate_dim",
                )
            },
        )

    def imagenet(self, input_shape, options):
        # Kagglehub's cache takes no files put there by hand; this folder does.
        folder = keras_cache() / PRESET
        preset = str(folder) if folder.is_dir() else PRESET
        try:
            return keras_hub.models.DeiTBackbone.from_preset(preset)
        except Exception as error:  # Its loader raises whatever the network raises.
            raise ModelError(
                f"The ImageNet weights of DeiT-S are not at hand and could not be "
                f"had ({first_line(error)}). Put config.json and model.weights.h5 of "
                f"the Kaggle model keras/deit/keras/{PRESET} into the folder {folder} "
                "(KERAS_HOME moves it), or give the path of its model.weights.h5, or "
                "weights=None to begin with random ones."
            ) from error

    def convert(self, reference):
        if not isinstance(reference, keras_hub.models.DeiTBackbone):
            raise ModelError(
                f"The model {reference.name!r} is neither a DeiT that kerakd built nor "
                "a keras_hub.models.DeiTBackbone."
            )
        encoder = reference.get_layer("deit_encoder")
        embeddings = reference.get_layer("deit_patching_and_embedding")
        return {
            _NAMES["embeddings"]: embeddings.get_weights(),
            _NAMES["norm"]: encoder.layer_norm.get_weights(),
            **{
                f"block{number}": block.get_weights()
                for number, block in enumerate(encoder.encoder_layers, start=1)
            },
        }

    def adapt(self, arrays: Arrays, model: keras.Model) -> Arrays:
        """Resize the learned positions where the picture has other patches."""
        layer = model.get_layer(_NAMES["embeddings"])
        names = [variable.name for variable in layer.weights]
        index = names.index("position_embedding")
        saved = arrays.get(_NAMES["embeddings"], [])
        if len(saved) != len(names):
            return arrays
        grid = [
            side // patch
            for side, patch in zip(layer.image_size, layer.patch_size, strict=True)
        ]
        resized = list(saved)
        resized[index] = _resize_positions(saved[index], grid)
        return {**arrays, _NAMES["embeddings"]: resized}


def _resize_positions(positions: np.ndarray, grid: list[int]) -> np.ndarray:
    """Bicubic interpolation of `(1, 2 + n * n, width)` to another grid of patches."""
    tokens, patches = positions[:, :_TOKENS], positions[:, _TOKENS:]
    side = round(patches.shape[1] ** 0.5)
    if patches.shape[1] == grid[0] * grid[1] or side * side != patches.shape[1]:
        return positions
    square = patches.reshape(1, side, side, -1)
    resized = keras.ops.image.resize(square, tuple(grid), interpolation="bicubic")
    patches = np.reshape(resized, (1, grid[0] * grid[1], -1))
    return np.concatenate([tokens, patches], axis=1)


SOURCE = _Preset()
