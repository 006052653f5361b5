"""A mask on the grid of its case: the same affine, header and orientation."""

import os
from pathlib import Path

import numpy as np

from kerakd.data.volumes.reading import CaseVolumes
from kerakd.data.volumes.schemes import LabelScheme
from kerakd.errors import RecipeError
from kerakd.files import replacing


def write_mask(
    path: str | os.PathLike,
    classes: np.ndarray,
    volumes: CaseVolumes,
    scheme: LabelScheme,
) -> Path:
    """Write classes as a NIfTI file that lies over the volumes of its case.

    Affine, orientation, units and the codes of both transforms are those of the first
    modality; a case of pictures, which tells none of them, gets voxels of 1 mm.

    Args:
        path: Ends in `.nii` or `.nii.gz`.
        classes: Classes inside kerakd, uint8 `(slices, height, width)`.
        volumes: The case as it was read.
        scheme: What the numbers in the file mean.

    Raises:
        RecipeError: The path has another ending.
        KerakdError: The file cannot be written.
    """
    import nibabel

    path = Path(path)
    check_ending(path)
    labels = scheme.to_labels(volumes.to_file_order(classes))
    if volumes.image is None:
        # Rows run to the back and columns to the left, as pictures are shown.
        turned = np.ascontiguousarray(labels.transpose(2, 1, 0))
        image = nibabel.Nifti1Image(turned, np.diag([-1.0, -1.0, 1.0, 1.0]))
    else:
        first = volumes.image
        header = first.header.copy()
        header.set_data_shape(labels.shape)
        header.set_data_dtype(np.uint8)
        header.set_slope_inter(1, 0)
        header["cal_min"] = header["cal_max"] = 0
        header["descrip"] = f"labels {scheme.name}".encode()[:79]
        image = type(first)(labels, first.affine, header)
        for form in ("qform", "sform"):
            matrix, code = getattr(first, f"get_{form}")(coded=True)
            getattr(image, f"set_{form}")(matrix, int(code))
    with replacing(path) as temporary:
        nibabel.save(image, temporary)
    return path


def check_ending(path: str | os.PathLike) -> None:
    """Refuse a mask file of another kind.

    Raises:
        RecipeError: The path ends neither in `.nii` nor in `.nii.gz`.
    """
    if not str(path).lower().endswith((".nii", ".nii.gz")):
        raise RecipeError(
            f"A mask is written as .nii.gz or .nii, not as {Path(path).name!r}."
        )
