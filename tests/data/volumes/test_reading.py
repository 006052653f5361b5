import nibabel
import numpy as np
import pytest
from PIL import Image

from kerakd.data.volumes import CaseError, find_cases, read_case
from kerakd.errors import RecipeError
from tests.data.volumes import made

ALL = ("t1", "t1ce", "t2", "flair")


def only(folder):
    (case,) = find_cases(folder)
    return case


def test_slices_run_from_feet_to_head_with_the_front_at_the_top(tmp_path):
    made.write_case(tmp_path)
    read = read_case(only(tmp_path), ALL, "brats2018-2021")
    volumes, labels = made.head()
    assert read.images.shape == (6, 24, 20, 4)
    for channel, name in enumerate(ALL):
        np.testing.assert_array_equal(
            read.images[..., channel], volumes[name].transpose(2, 1, 0)
        )
    np.testing.assert_array_equal(read.classes > 0, labels.transpose(2, 1, 0) > 0)
    assert read.spacing == (4.0, 1.5, 1.0)


@pytest.mark.parametrize("axes", ["RAS", "PSL", "SRA"])
def test_any_orientation_gives_the_same_slices_and_goes_back(tmp_path, axes):
    made.write_case(tmp_path / "a", "c")
    folder = made.write_case(tmp_path / "b", "c")
    codes = nibabel.orientations.axcodes2ornt(tuple(axes))
    for file in folder.iterdir():
        image = nibabel.load(file)
        there = nibabel.io_orientation(image.affine)
        turn = nibabel.orientations.ornt_transform(there, codes)
        turned = image.as_reoriented(turn)
        nibabel.Nifti1Image(np.asarray(turned.dataobj), turned.affine).to_filename(file)
    straight = read_case(only(tmp_path / "a"), ALL, "brats2018-2021")
    turned = read_case(only(tmp_path / "b"), ALL, "brats2018-2021")
    np.testing.assert_array_equal(straight.images, turned.images)
    np.testing.assert_array_equal(straight.classes, turned.classes)
    assert straight.spacing == turned.spacing
    raw = np.asarray(nibabel.load(folder / "c_t1.nii.gz").dataobj)
    np.testing.assert_array_equal(turned.to_file_order(turned.images[..., 0]), raw)


def test_decathlon(tmp_path):
    made.write_decathlon(tmp_path)
    read = read_case(find_cases(tmp_path)[1], ("t2", "flair"), "decathlon")
    volumes, labels = made.head(1)
    np.testing.assert_array_equal(read.images[..., 0], volumes["t2"].transpose(2, 1, 0))
    np.testing.assert_array_equal(read.classes == 3, labels.transpose(2, 1, 0) == 4)


def test_slices_come_in_the_order_of_their_numbers(tmp_path):
    made.write_tif_case(tmp_path)
    read = read_case(only(tmp_path), ("flair", "t1"), "tumour-255")
    np.testing.assert_array_equal(read.images[:, 0, 0, 0], np.arange(1, 12))
    assert read.images.shape == (11, 32, 32, 2)
    tumour = read.classes.any(axis=(1, 2))
    np.testing.assert_array_equal(tumour, np.arange(1, 12) > 6)


def test_the_scheme_is_never_guessed(tmp_path):
    made.write_new_case(tmp_path)
    with pytest.raises(RecipeError, match="does not guess; name one with scheme="):
        read_case(only(tmp_path), ALL)
    assert read_case(only(tmp_path), ALL, mask=False).classes is None


def test_single_voxels_without_a_number_are_told_and_taken_as_0(tmp_path):
    folder = made.write_case(tmp_path)
    volume = made.head()[0]["t2"].astype(np.float32)
    volume[10, 12, 3], volume[10, 13, 3] = np.nan, np.inf
    made.save(folder / f"{folder.name}_t2.nii.gz", volume)
    read = read_case(only(tmp_path), ALL, "brats2018-2021")
    assert np.isfinite(read.images).all()
    assert read.notes == ("2 voxels of t2 are NaN or infinite, taken as 0",)


def spoil(kind, folder):
    """Spoil one file of a case; returns what the sentence must say."""
    volumes, labels = made.head()
    names = {k: folder / f"{folder.name}_{k}.nii.gz" for k in (*volumes, "seg")}
    if kind == "mask of another shape":
        made.save(names["seg"], labels[:, :, :5])
        return r"its mask has the shape \(20, 24, 5\).*resample it"
    if kind == "no FLAIR":
        names["flair"].unlink()
        return r"it has no FLAIR \(found: t1, t1ce, t2\); add the file"
    if kind == "truncated":
        made.cut_short(names["t1ce"])
        return r"BraTS2021_00001_t1ce.nii.gz is cut short or damaged; copy or download"
    if kind == "corrupt":
        made.corrupt(names["t2"])
        return r"_t2.nii.gz is cut short or damaged; copy or download it again"
    if kind == "empty file":
        names["t2"].write_bytes(b"")
        return r"_t2.nii.gz is empty; copy or download it again"
    if kind == "no NIfTI":
        names["t2"].write_bytes(b"hello" * 200)
        return r"_t2.nii.gz is (cut short or damaged|no readable NIfTI)"
    if kind == "4-D":
        made.save(names["t1"], np.stack([volumes["t1"]] * 2, -1))
        return r"_t1.nii.gz has 4 dimensions \(20, 24, 6, 2\), and a 3-D t1 was expect"
    if kind == "label out of scheme":
        labels[5, 5, 3] = 3
        made.save(names["seg"], labels)
        return r"labels 0, 1, 2, 3, 4, and 3 is not in the scheme 'brats2018-2021'"
    if kind == "all zero":
        made.save(names["t1"], np.zeros_like(volumes["t1"]))
        return r"its t1 is all zero; export it again"
    if kind == "NaN":
        made.save(names["t1"], np.full(made.SHAPE, np.nan, np.float32))
        return r"its t1 holds no numbers \(all voxels are NaN or infinite\); export"
    if kind == "elsewhere":
        moved = made.AFFINE.copy()
        moved[0, 3] += 3
        made.save(names["seg"], labels, moved)
        return r"its mask lies elsewhere in space .*; register or resample it"
    raise AssertionError(kind)


BAD = [
    "mask of another shape",
    "no FLAIR",
    "truncated",
    "corrupt",
    "empty file",
    "no NIfTI",
    "4-D",
    "label out of scheme",
    "all zero",
    "NaN",
    "elsewhere",
]


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_case_is_one_sentence_with_case_and_remedy(tmp_path, kind):
    folder = made.write_case(tmp_path)
    sentence = spoil(kind, folder)
    with pytest.raises(CaseError, match=sentence) as caught:
        read_case(only(tmp_path), ALL, "brats2018-2021")
    text = str(caught.value)
    assert text.startswith("Case BraTS2021_00001: ")
    assert "\n" not in text


def spoil_slices(kind, folder):
    name = folder.name
    if kind == "missing mask":
        (folder / f"{name}_3_mask.tif").unlink()
        return rf"the slice {name}_3.tif has no mask {name}_3_mask.tif \(1 of 11"
    if kind == "orphan mask":
        (folder / f"{name}_3.tif").unlink()
        return rf"the mask {name}_3_mask.tif belongs to no slice"
    if kind == "another size":
        Image.new("RGB", (16, 16)).save(folder / f"{name}_4.tif")
        return rf"{name}_4.tif is 16x16 pixels and {name}_1.tif 32x32"
    if kind == "truncated":
        made.cut_short(folder / f"{name}_5.tif")
        return rf"{name}_5.tif cannot be read"
    if kind == "labels":
        Image.new("L", (32, 32), 7).save(folder / f"{name}_2_mask.tif")
        return "labels 0, 7, 255, and 7 is not in the scheme 'tumour-255'"
    raise AssertionError(kind)


@pytest.mark.parametrize(
    "kind", ["missing mask", "orphan mask", "another size", "truncated", "labels"]
)
def test_a_bad_folder_of_slices_is_one_sentence(tmp_path, kind):
    folder = made.write_tif_case(tmp_path)
    sentence = spoil_slices(kind, folder)
    with pytest.raises(CaseError, match=sentence) as caught:
        read_case(only(tmp_path), ("flair",), "tumour-255")
    assert str(caught.value).startswith(f"Case {folder.name}: ")


def test_slices_without_any_mask_are_a_case_without_truth(tmp_path):
    folder = made.write_tif_case(tmp_path)
    for file in folder.glob("*_mask.tif"):
        file.unlink()
    (folder / f"{folder.name}_4.tif").unlink()
    case = only(tmp_path)
    assert case.mask is None
    assert read_case(case, ("flair",)).notes == ("slices [4] are missing",)
