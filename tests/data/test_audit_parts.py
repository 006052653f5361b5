"""Shortcuts, sources, odd files, slices with masks, and what is drawn and said."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from typer.testing import CliRunner

from kerakd.cli import app
from kerakd.data import Audit, audit, load_images
from kerakd.data.audit.marks import STATISTICS, look_at_all
from kerakd.data.audit.origins import summarise_origins
from kerakd.errors import DataError
from tests.data.image_folders import make_samples


def pixels(seed, side=64, low=20, high=200):
    rough = gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), 2)
    rough = (rough - rough.min()) / np.ptp(rough)
    return (low + (high - low) * rough).astype(np.uint8)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


@pytest.fixture(scope="module")
def odd_folder(tmp_path_factory):
    """Class a is dark and PNG, class b bright and JPEG; odd files in both."""
    root = tmp_path_factory.mktemp("odd")
    for i in range(24):
        save(root / "a" / f"{i}.png", pixels(i, low=0, high=120))
        save(root / "b" / f"{i}.jpg", pixels(100 + i, low=90, high=255), quality=80)
    save(root / "a/flat.png", np.full((64, 64), 9, np.uint8))
    save(root / "a/really_a_jpeg.png", pixels(50), format="JPEG")
    save(root / "a/long.png", np.hstack([pixels(51)] * 4))
    save(root / "b/again.png", np.asarray(Image.open(root / "b/3.jpg")))
    save(root / "b/wrong.png", np.ascontiguousarray(pixels(7, low=0, high=120).T))
    turned = Image.fromarray(pixels(52))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(root / "b/turned.jpg", exif=exif)
    (root / "b/broken.png").write_bytes(b"\x89PNG no more")
    (root / ".hidden").mkdir()
    return root


@pytest.fixture(scope="module")
def found(odd_folder):
    return audit(odd_folder, seed=1)


def test_odd_files_are_named(found):
    kinds = found.summary["odd"]["kinds"]
    assert kinds["flat"]["examples"] == ["a/flat.png"]
    assert kinds["misnamed"]["examples"] == ["a/really_a_jpeg.png"]
    assert kinds["turned by EXIF"]["examples"] == ["b/turned.jpg"]
    assert kinds["elongated"]["examples"] == ["a/long.png"]
    assert found.summary["data"]["bad"][0]["id"] == "b/broken.png"
    assert "b/broken.png" not in found.clusters
    text = "\n".join(found.sentences)
    assert "1 file has a suffix of another format" in text
    assert "Bad files left out (1): b/broken.png" in text


def test_a_shortcut_is_found(found):
    probe = found.summary["probe"]
    assert probe["folds"] == 5 and probe["balanced_chance"] == 0.5
    assert probe["probes"]["global statistics"]["features"] == len(STATISTICS) == 10
    assert probe["probes"]["border pixels"]["features"] == 124
    for one in probe["probes"].values():
        assert one["balanced_accuracy"] > 0.85
        assert one["classes"]["a"]["auc"] == pytest.approx(one["classes"]["b"]["auc"])
    assert any("Ten global statistics" in line for line in found.warnings)


def test_no_shortcut_where_there_is_none(tmp_path):
    for i in range(40):
        save(tmp_path / "ab"[i % 2] / f"{i}.png", pixels(i))
    probe = audit(tmp_path).summary["probe"]
    assert abs(probe["probes"]["global statistics"]["balanced_accuracy"] - 0.5) < 0.3
    assert probe["probes"]["file facts"]["classes"]["a"]["chance"] == 0.5


def test_the_probe_says_why_it_was_not_made(tmp_path, odd_folder):
    skipped = audit(odd_folder, probe=False).summary["probe"]["skipped"]
    assert skipped == "it was not asked for"
    for i in range(3):
        save(tmp_path / "one" / f"{i}.png", pixels(i))
        save(tmp_path / "two" / f"{i}.png", pixels(0) + np.uint8(i))
    skipped = audit(tmp_path).summary["probe"]["skipped"]
    assert "too few independent images" in skipped


def test_the_source_tells_the_class(found):
    origins = found.summary["origins"]
    assert origins["encoding"]["label"]["accuracy"] > 0.9
    assert origins["encoding"]["label"]["v"] > 0.8
    assert origins["encoding"]["split"] is None
    assert any("alone names its class" in line for line in found.warnings)


@pytest.mark.parametrize(
    ("modes", "accuracy", "v"),
    [("LLLLRRRR", 1.0, 1.0), ("LRLRLRLR", 0.0, 0.0), ("LLLLLLLL", 0.0, 0.0)],
)
def test_association_of_source_and_class(modes, accuracy, v):
    # Leaving one out of a tie leaves the other class ahead: below chance, not at it.
    samples = make_samples([(f"{i}.png", "ab"[i > 3], str(i)) for i in range(8)])
    facts = pd.DataFrame({"format": "PNG", "encoding": "", "mode": list(modes)})
    facts = facts.assign(width=8, height=8)
    label = summarise_origins(samples, facts)["mode"]["label"]
    assert (label["accuracy"], label["v"]) == (accuracy, v) and label["chance"] == 0.5


def test_statistics_are_those_of_the_pixels(tmp_path):
    array = pixels(3)
    array[:5], array[-5:] = 0, 255
    save(tmp_path / "x.png", array)
    marks = look_at_all([tmp_path / "x.png", tmp_path / "absent.png"])
    ranks = np.percentile(array, [5, 25, 50, 75, 95, 99], method="inverted_cdf")
    black, white = (array < 8).mean(), (array > 247).mean()
    expected = [array.mean(), array.std(), *ranks, black, white]
    np.testing.assert_allclose(marks.statistics[0], expected, rtol=1e-5)
    assert marks.bad == [(1, "there is no such file")]


@pytest.fixture(scope="module")
def slices(tmp_path_factory):
    """Three patients; p1 has neighbours that look alike, p2 a slice of p0."""
    root = tmp_path_factory.mktemp("slices")
    for patient in range(3):
        for i in range(4):
            seed = 100 if patient == 1 and i < 2 else 10 * patient + i
            array = pixels(seed)
            array[0, i] = 0
            if (patient, i) == (2, 0):
                array = np.ascontiguousarray(pixels(0)[::-1])
            mask = np.zeros((64, 64), np.uint8)
            mask[8:12, 8:12] = 255 * (i % 2)
            folder = root / f"p{patient}"
            save(folder / f"s_{i}.tif", array)
            save(folder / f"s_{i}_mask.tif", mask)
    (root / "data.csv").write_text("a,b\n")
    save(root / "p0" / "alone.tif", pixels(77))
    return root


def test_slices_with_masks_are_read_by_patient(slices):
    done = audit(slices, probe=False)
    assert done.summary["data"]["counts"] == {
        "": {"with lesion": 6, "without lesion": 6}
    }
    assert done.summary["patients"]["patients"] == 3
    assert "no _mask file beside it" in done.summary["data"]["bad"][0]["reason"]
    assert done.clusters["p0/s_0.tif"] == done.clusters["p2/s_0.tif"]
    assert done.clusters["p1/s_0.tif"] == done.clusters["p1/s_1.tif"]
    # Neighbours of one patient may differ in their label; two patients' copies not.
    inside = done.pairs[done.pairs["same_patient"]]
    assert inside["id_a"].tolist() == ["p1/s_0.tif"] and not inside["same_class"].any()
    assert done.summary["copies"]["contradictions"]["clusters"] == 0
    group = done.images.set_index("id")["group"]
    assert group["p0/s_1.tif"] == group["p2/s_3.tif"] != group["p1/s_0.tif"]


def test_patients_on_both_sides_are_told(slices, odd_folder):
    samples = load_images(odd_folder, skip_bad=True, groups=r"(\d|\w)\w*\.")
    sides = np.where(np.arange(len(samples)) % 2, "train", "test")
    done = audit(samples.with_splits(sides.tolist()), probe=False)
    torn = done.summary["patients"]
    assert torn["known"] and torn["in_several_splits"] > 3
    assert any(
        "patients have images in more than one split" in w for w in done.warnings
    )


def test_images_without_classes(tmp_path):
    for i in range(5):
        save(tmp_path / f"{i}.png", pixels(i))
    save(tmp_path / "copy.png", np.ascontiguousarray(pixels(2)[:, ::-1]))
    done = audit(tmp_path)
    assert done.summary["copies"]["distinct"] == 5
    assert done.summary["probe"]["skipped"] == "there is one class only"


def test_nothing_to_audit(tmp_path, odd_folder):
    with pytest.raises(DataError, match="no folder"):
        audit(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no class folders"):
        audit(tmp_path)
    (tmp_path / "x.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="None of the images can be read"):
        audit(tmp_path)
    samples = load_images(odd_folder, skip_bad=True)
    with pytest.raises(DataError, match="is empty"):
        audit(samples.take([]))


# The command line ------------------------------------------------------------------


def call(*arguments, code=0):
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done


def test_the_command_prints_and_writes_all(odd_folder, tmp_path):
    out, figures = tmp_path / "out", tmp_path / "f.json"
    text = call("audit", odd_folder, "--out", out, "--json", figures).stdout
    assert "Warning: 1 picture (2 files) is filed under several classes" in text
    assert "contradiction: a/7.png as a; b/wrong.png as b" in text
    assert "global statistics" in text and "Images by class: a 27, b 27" in text
    names = {path.name for path in out.iterdir()}
    assert names == {
        "audit.json",
        "audit_pairs.csv",
        "clusters.csv",
        "audit_nearest.png",
        "audit_contradictions.png",
    }
    saved = Audit.load(out)
    assert saved.summary == json.loads(figures.read_text())
    assert saved.summary["copies"]["distinct"] == 52
    for name in ("audit_nearest.png", "audit_contradictions.png"):
        with Image.open(out / name) as sheet:
            assert sheet.width > 300 and np.asarray(sheet).std() > 10


def test_grouped_splits_and_folds_from_the_command_line(odd_folder, tmp_path):
    saved, out = tmp_path / "audit", tmp_path / "split"
    call("audit", odd_folder, "--no-probe", "--no-sheets", "--out", saved)
    common = ("split", odd_folder, "--skip-bad", "--grouped", "--audit", saved)
    text = call(*common, "--test", 0.25, "--out", out).stdout
    assert "test" in text
    splits = json.loads((out / "splits.json").read_text())["splits"]
    side = {name: split for split, ids in splits.items() for name in ids}
    assert side["a/7.png"] == side["b/wrong.png"]
    figures = tmp_path / "folds.json"
    call(*common, "--folds", 3, "--out", tmp_path / "k", "--json", figures)
    parts = json.loads(figures.read_text())["folds"]
    tested = [sum(part["counts"]["test"].values()) for part in parts]
    assert len(parts) == 3 and sum(tested) == 54
    assert (tmp_path / "k" / "fold_2" / "splits.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("split", "{data}", "--out", "{tmp}", "--audit", "{tmp}"), "add --grouped"),
        (
            ("split", "{data}", "--out", "{tmp}", "--folds", 3, "--test", 0.2),
            "--folds tests every image once",
        ),
        (("audit", "{tmp}/nowhere"), "no folder"),
        (("audit", "{data}", "--groups", "(x"), "nor a regular expression"),
        (
            ("split", "{data}", "--skip-bad", "--grouped", "--audit", "{tmp}", "--out",
             "{tmp}"),
            "no file",
        ),
        (("benchmark", "audit", "--sizes", "many"), "whole numbers"),
    ],
)  # fmt: skip
def test_mistakes_are_one_sentence(odd_folder, tmp_path, arguments, sentence):
    filled = [
        str(one).replace("{data}", str(odd_folder)).replace("{tmp}", str(tmp_path))
        for one in arguments
    ]
    done = call(*filled, code=2)
    assert sentence in done.output.replace("\n", " ")
    assert done.output.startswith("error: ")
