"""The first stage of a run: where its pictures come from and how they are divided."""

import shutil

import pandas as pd
import pytest

from kerakd.data.phantom import write_phantom
from kerakd.data.volumes.table import load_volumes
from kerakd.errors import RecipeError
from kerakd.recipe import recipe_from
from kerakd.run.auditing import CLUSTERS, read_clusters
from kerakd.run.folder import Folder
from kerakd.run.leaks import Leaks
from kerakd.run.samples import prepare_samples, source_of
from tests.run.tiny import page


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    """Two classes of pictures without a split, every one of them there twice."""
    made = write_phantom(
        tmp_path_factory.mktemp("made") / "phantom",
        patients=24,
        slices_per_patient=2,
        size=72,
        masks=False,
    )
    out = tmp_path_factory.mktemp("flat")
    for name in ("glioma", "notumor"):
        for file in sorted(made.glob(f"*/{name}/*.png")):
            for ending in "ab":
                target = out / name / f"{file.stem}{ending}.png"
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(file, target)
    return out


def recipe_of(task="classification", **data):
    return recipe_from(page() | {"task": task, "data": data})


def prepared(flat, place, **data):
    found = recipe_of(source=str(flat), channels=1, test=0.25, **data)
    return prepare_samples(found, Folder.claim(place, found, False), None, verbose=0)


def test_copies_stay_on_one_side_where_that_is_wanted(flat, tmp_path):
    samples = prepared(flat, tmp_path / "run", copies_together=True)
    clusters = read_clusters(tmp_path / "run" / CLUSTERS)
    table = samples.table.assign(cluster=[clusters[one] for one in samples.ids])
    assert (table.groupby("cluster").size() > 1).any()
    assert (table.groupby("cluster")["split"].nunique() == 1).all()
    assert set(table["split"]) == {"train", "validation", "test"}
    # Clusters are not taken for patients, and no test image has a copy elsewhere.
    leaks = Leaks.of(samples, clusters)
    assert leaks.kind == "clusters of copies"
    assert not leaks.has_copy.any()


def test_copies_are_torn_apart_where_it_is_not(flat, tmp_path):
    samples = prepared(flat, tmp_path / "run")
    twin = samples.table["id"].str.replace(r"[ab]\.png$", "", regex=True)
    assert (pd.Series(samples.table["split"]).groupby(twin).nunique() > 1).any()
    assert not (tmp_path / "run" / CLUSTERS).exists()


def test_a_trial_audits_only_what_it_may_use(flat, tmp_path):
    prepared(flat, tmp_path / "run", copies_together=True, limit=1)
    # Five of each class for the one that each split may hold.
    assert len(read_clusters(tmp_path / "run" / CLUSTERS)) == 10


def test_phantom_cases_are_made_for_a_segmentation(tmp_path):
    options = {"patients": 2, "shape": [24, 24, 8], "spacing": 8.0}
    found = recipe_of("segmentation", source="phantom", phantom=options)
    folder = Folder.claim(tmp_path / "run", found, False)
    cases = load_volumes(source_of(found, folder, None))
    assert len(cases.cases) == 2
    options = {"patients": 2, "size": 24}
    wrong = recipe_of("segmentation", source="phantom", phantom=options)
    with pytest.raises(RecipeError, match=r"data\.phantom\.size"):
        source_of(wrong, folder, None)
