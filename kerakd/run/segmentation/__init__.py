"""`task: segmentation`: cases, slices, teacher, students, test in 3-D, report."""

from kerakd.run.segmentation.experiment import run_segmentation

__all__ = ["run_segmentation"]
