"""Training of the networks of a recipe."""

import numpy as np
import pytest

from kerakd.models.freezing import head_layers
from kerakd.run import networks, teaching
from kerakd.run.folder import Folder
from kerakd.run.job import Job
from kerakd.run.samples import prepare_samples
from tests.run.tiny import recipe


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    found = recipe(
        teacher__head_epochs=2, teacher__training__schedule="cosine", data__audit=False
    )
    folder = Folder.claim(tmp_path_factory.mktemp("job") / "run", found, False)
    return Job(found, folder, prepare_samples(found, folder, None), [], verbose=0)


def test_the_head_learns_alone_first_and_then_all_may(job, tmp_path):
    section = job.recipe.teacher
    model = networks.build_network(section, job.recipe, job.class_names, None, "t")
    head = {layer.name for layer in head_layers(model)}
    before = {one.path: one.numpy() for one in model.weights}
    pictures = job.training(job.recipe, tuple(model.input_shape[1:]), 8, 0)
    teaching._train_head(job, model, section, pictures, tmp_path, "teacher")
    moved = {
        one.path.split("/")[0]
        for one in model.weights
        if not np.array_equal(before[one.path], one.numpy())
    }
    assert moved == head
    assert all(layer.trainable for layer in model.layers)
    rows = (tmp_path / "history_teacher_head.csv").read_text().splitlines()
    assert len(rows) == 1 + section.head_epochs


def test_a_teacher_with_a_new_head_leaves_no_checkpoint_of_it(job):
    teaching.get_teacher(job)
    assert (job.folder / "history_teacher_head.csv").is_file()
    assert (job.folder / "history_teacher.csv").is_file()
    assert not (job.folder / "checkpoints").exists()
