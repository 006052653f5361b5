"""Fixtures of the tests of runs."""

import shutil

import pytest

from tests.run.tiny import finished_run, recipe


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The folder of a finished tiny run; tests read it and never change it."""
    return finished_run(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def leaky(finished, tmp_path_factory):
    """The finished run judged anew: a test image has a copy in training.

    Its models are judged on images from elsewhere as well, whose classes are `no` and
    `yes`.
    """
    from kerakd.data import Samples
    from kerakd.recipe import with_external
    from kerakd.run import run_recipe

    folder = tmp_path_factory.mktemp("leaky")
    out, elsewhere = folder / "run", folder / "elsewhere"
    shutil.copytree(finished, out)
    samples = Samples.load(out / "samples.csv")
    copies = [samples.subset("test").ids[0], samples.subset("train").ids[0]]
    rows = [f"{one},1" for one in copies]
    (out / "clusters.csv").write_text("\n".join(["id,cluster", *rows]) + "\n")
    for name in ("glioma", "notumor", "pituitary"):
        theirs = "no" if name == "notumor" else f"yes/{name}"
        shutil.copytree(out / "phantom" / "Testing" / name, elsewhere / theirs)
    metrics = run_recipe(
        with_external(recipe(), [elsewhere]),
        out,
        resume=True,
        command="kerakd run tiny",
        verbose=0,
        again=True,
    )
    return out, metrics
