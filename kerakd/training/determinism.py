"""One switch for runs that give the same weights twice."""

import keras

from kerakd.errors import RecipeError


def deterministic(seed: int = 0) -> None:
    """Make what follows in this process a function of `seed`.

    Seeds Python, NumPy and Keras (initial weights, dropout), and tells TensorFlow and
    PyTorch to use deterministic kernels only. Call it before the first model is built.
    Calling it again seeds anew. Nothing is restored: deterministic kernels stay on
    until the process ends, as TensorFlow has no way back that covers what was traced
    meanwhile.

    On a CPU this costs no measurable time; on a GPU some kernels are slower. Bits are
    the same between runs of one mode: the same device, number of threads, precision
    and `jit_compile`.

    Args:
        seed: From 0 to 2**32 - 1.

    Raises:
        RecipeError: The seed is out of range.

    Example:

    ```python
    import kerakd

    kerakd.training.deterministic(seed=1)
    model = kerakd.models.build("mobilenet_v2", num_classes=4)
    ```
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise RecipeError(
            f"`seed` must be a whole number from 0 to 2**32 - 1; got {seed!r}."
        )
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif keras.backend.backend() == "torch":
        import torch

        # Some kernels have no deterministic twin: they warn and are used.
        torch.use_deterministic_algorithms(True, warn_only=True)
