import json
import re

from kerakd.report import write_model_card
from kerakd.report.story import NOT_A_DEVICE, PHANTOM


def test_the_card_says_what_it_is_for_how_good_and_how_made(run_folder):
    path = write_model_card(run_folder)
    assert path == run_folder / "model_card.md"
    card = path.read_text()
    assert card.splitlines()[2] == f"**{NOT_A_DEVICE}**"
    headings = re.findall(r"^## (.*)$", card, flags=re.MULTILINE)
    assert headings == [
        "Model",
        "Intended use",
        "Results",
        "Data",
        "Training",
        "Limits",
        "Made with",
    ]
    metrics = json.loads((run_folder / "metrics.json").read_text())
    accuracy = metrics["models"]["student"]["test"]["accuracy"]
    assert f"{100 * accuracy:.2f}%" in card
    assert "not for diagnosis" in card
    assert "- seed: 7" in card
    assert "    kerakd run recipe.yaml" in card
    assert "- Test pictures &lt;may&gt; be in training." in card


def test_names_from_outside_are_text(run_folder):
    card = write_model_card(run_folder).read_text()
    outside_code = re.sub(r"^    .*$", "", card, flags=re.MULTILINE)
    assert not re.search(r"<\w", outside_code)
    # A bar in a class name would cut the table.
    rows = [line for line in card.splitlines() if line.startswith("| a")]
    assert rows and all(row.startswith(r"| a\|b $x$ &amp; c |") for row in rows)
    for row in (line for line in card.splitlines() if line.startswith("|")):
        assert len(re.findall(r"(?<!\\)\|", row)) in (8, 12)


def test_phantoms_are_named(run_folder):
    path = run_folder / "metrics.json"
    metrics = json.loads(path.read_text())
    assert PHANTOM not in write_model_card(run_folder).read_text()
    path.write_text(json.dumps({**metrics, "phantom": True}))
    assert PHANTOM in write_model_card(run_folder).read_text()


def test_an_unfinished_run_has_a_card_that_says_so(tmp_path):
    (tmp_path / "metrics.json").write_text("{}")
    card = write_model_card(tmp_path).read_text()
    assert "no test results yet" in card
    assert NOT_A_DEVICE in card
    assert "None" not in card
