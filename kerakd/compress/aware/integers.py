"""The int8 file of a network that was pruned or clustered."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np

from kerakd.compress.aware.export import export
from kerakd.compress.aware.placement import Placement
from kerakd.compress.aware.start import Start
from kerakd.compress.aware.wrapping import set_ranges, wrap
from kerakd.compress.bridge.convert import to_tf_keras
from kerakd.compress.calibration import representative
from kerakd.compress.convert import quantize
from kerakd.compress.metadata import read_metadata
from kerakd.compress.writing import Export


def check_exportable(begun: Start, representative_data: Any) -> None:
    """Notice before the training that the int8 file could not be made after it.

    Raises:
        DataError: There are too few images, or none that fit.
        ModelError: A layer has no 8-bit form.
    """
    if begun.path is None:
        return
    if representative_data is None and not _raw(begun.images):
        Placement(begun.legacy)
        return
    images = begun.images if representative_data is None else representative_data
    representative(images, tuple(begun.student.input_shape[1:]))


def _raw(images: np.ndarray) -> bool:
    """Whether images are pixels in 0..255, and not z-scores."""
    return images.min() >= 0 and 1 < images.max() <= 255


def _by_wrapping(
    begun: Start, model: Any, preprocessing: Any, provenance: Any, threads: int
) -> Export:
    """An int8 file of a network whose images are no bytes, such as z-scored slices."""
    legacy = to_tf_keras(model)
    whole, inner = wrap(legacy)
    set_ranges(whole, inner, legacy, begun.images)
    return export(
        whole,
        model,
        begun.path,
        begun.images,
        begun.class_names,
        preprocessing,
        provenance,
        threads,
    )


def export_int8(
    begun: Start,
    model: Any,
    representative_data: Any,
    report: dict[str, Any],
    preprocessing: dict[str, Any] | None,
    provenance: dict[str, Any] | None,
    threads: int,
) -> Export | None:
    """Quantise a network after training, and measure what its zip weighs.

    The size of an int8 file does not depend on the values in it; `report` gets
    `gzip_bytes` of the network without its metadata, where pruning and clustering
    show.
    """
    if begun.path is None:
        return None
    provenance = {**(provenance or {}), "compression": report}
    if representative_data is None and not _raw(begun.images):
        written = _by_wrapping(begun, model, preprocessing, provenance, threads)
    else:
        images = begun.images if representative_data is None else representative_data
        written = quantize(
            model,
            "int8",
            images,
            path=begun.path,
            class_names=begun.class_names,
            preprocessing=preprocessing,
            provenance=provenance,
            threads=threads,
        )
    report["bytes"] = written.bytes
    report["gzip_bytes"] = gzip_bytes(begun.path)
    return written


def gzip_bytes(path: Path) -> int:
    """What the network in a kerakd file weighs zipped, without its metadata."""
    size = read_metadata(path)["flatbuffer"]["bytes"]
    return len(gzip.compress(path.read_bytes()[:size], mtime=0))
