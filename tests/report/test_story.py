from kerakd.report.story import PHANTOM, headline


def measured(accuracy, count=1000, width=0.01):
    return {
        "accuracy": accuracy,
        "accuracy_interval": [accuracy - width, accuracy + width],
        "count": count,
    }


def story(student=0.97, baseline=0.96, **more):
    models = {
        "teacher": {"test": measured(0.99), "multiply_adds": 80e6, "parameters": 5e6},
        "student": {
            "test": measured(student),
            "multiply_adds": 10e6,
            "parameters": 4e6,
        },
        "baseline": {"test": measured(baseline)},
    }
    return headline({"models": models, **more})


def test_the_result_comes_first_with_its_interval():
    first, second, *_, last = story()
    assert "97.00% of the 1000 test pictures" in first
    assert "95% interval 96.00 to 98.00%" in first
    assert "99.00%" in second
    assert last == "The student has 1/8 of the teacher's multiply-adds."


def test_a_gain_within_the_intervals_is_called_chance():
    text = " ".join(story(0.97, 0.96))
    assert "Distillation gained 1.00 points (10 pictures)" in text
    assert "may be chance" in text


def test_a_gain_beyond_the_intervals_is_not_called_chance_nor_proof():
    text = " ".join(story(0.97, 0.90))
    assert "do not overlap, though other seeds may differ" in text
    assert "chance" not in text


def test_a_loss_and_a_tie_are_said_plainly():
    assert "Distillation lost 1.00 points" in " ".join(story(0.95, 0.96))
    assert "Distillation changed nothing" in " ".join(story(0.95, 0.95))


def test_several_seeds_tell_more_than_the_interval_of_one():
    verdict = "Distillation helped in each of 3 seeds."
    text = " ".join(story(distillation={"verdict": verdict}))
    assert verdict in text
    assert "gained" not in text


def test_phantoms_are_never_taken_for_patients():
    assert story(phantom=True)[-1] == PHANTOM
    assert PHANTOM not in story(phantom=False)


def test_an_unfinished_run_claims_nothing():
    assert headline({}) == []
    assert headline({"models": {"student": {"parameters": 5}}, "phantom": True}) == []
