"""What `kerakd compress` leaves in a run folder beside the exported files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerakd.compress import Export
from kerakd.files import write_json
from kerakd.report.compression import draw_layer_errors, draw_pareto


def keep_figures(
    folder: Path, figures: dict[str, Any], exports: Mapping[str, Export]
) -> None:
    """Write `compression.json`, the Pareto plot, and the errors of int8's layers."""
    write_json(folder / "compression.json", figures)
    draw_pareto(figures, folder / "figures" / "pareto.png")
    layers = exports["int8"].report.get("sensitive") if "int8" in exports else None
    if layers:
        draw_layer_errors(layers, folder / "figures" / "layer_errors.png")
