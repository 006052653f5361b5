"""The int8 file of a network that was pruned or clustered."""

import gzip
from pathlib import Path
from typing import Any

from kerakd.compress.aware.start import Start
from kerakd.compress.convert import Export, quantize
from kerakd.compress.metadata import read_metadata


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
    images = begun.images if representative_data is None else representative_data
    written = quantize(
        model,
        "int8",
        images,
        path=begun.path,
        class_names=begun.class_names,
        preprocessing=preprocessing,
        provenance={**(provenance or {}), "compression": report},
        threads=threads,
    )
    report["bytes"] = written.bytes
    report["gzip_bytes"] = gzip_bytes(begun.path)
    return written


def gzip_bytes(path: Path) -> int:
    """What the network in a kerakd file weighs zipped, without its metadata."""
    size = read_metadata(path)["flatbuffer"]["bytes"]
    return len(gzip.compress(path.read_bytes()[:size], mtime=0))
