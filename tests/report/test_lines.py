from kerakd.report.lines import leaks


def metrics(supports):
    return {
        "audit": {"looked": True, "with_a_copy": 6, "test_images": 10},
        "models": {
            "student": {
                "test_without_copies": {
                    "per_class": {n: {"support": s} for n, s in supports.items()}
                }
            }
        },
    }


def test_classes_that_the_line_without_copies_lacks_are_named():
    (said,) = leaks(metrics({"glioma": 4, "notumor": 0}))
    assert said.startswith("6 of the 10 test images (60")
    assert said.endswith("but holds no image of notumor.")


def test_nothing_is_said_of_classes_where_all_are_there():
    (said,) = leaks(metrics({"glioma": 2, "notumor": 2}))
    assert said.endswith("4 images, comes nearer to new pictures.")


def test_a_run_that_did_not_look_says_so():
    assert "was not looked for" in leaks({"audit": {"looked": False}})[0]
