"""Export and compression are TensorFlow's; on another backend a sentence says so."""

from kerakd.errors import ModelError

NOT_EXPORTED = (
    "Nothing was exported and no heat map drawn: both need TensorFlow, and Keras ran "
    "on {backend}. Where TensorFlow is installed: KERAS_BACKEND=tensorflow kerakd "
    "compress student.keras, and kerakd explain."
)


def require_tensorflow() -> None:
    """Refuse to export where Keras does not run on TensorFlow.

    Raises:
        ModelError: It runs on something else.
    """
    import keras

    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise ModelError(
            f"Export to LiteRT needs TensorFlow, and Keras runs on {backend}; save the "
            "model as a .keras file and export it where TensorFlow is installed, with "
            "KERAS_BACKEND=tensorflow."
        )
