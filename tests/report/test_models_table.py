from kerakd.report import model_rows
from kerakd.report.models_table import HEADINGS, markdown_table, seed_table
from kerakd.report.numbers import UNKNOWN

METRICS = {
    "models": {
        "student": {
            "title": "MobileNetV2 0.35",
            "parameters": 410_208,
            "megabytes": 1.83,
            "multiply_adds": 19_000_000,
            "ms_per_image": 3.1,
            "test": {
                "accuracy": 0.987,
                "accuracy_interval": [0.979, 0.992],
                "macro_f1": 0.986,
                "macro_f2": None,
            },
            # The interval over groups is told where there is one.
            "test_without_copies": {
                "accuracy": 0.93,
                "accuracy_interval": [0.92, 0.94],
                "intervals": {"accuracy": [0.9, 0.95]},
            },
        },
        "teacher": {"title": "Teacher"},
    }
}


def test_rows_are_teacher_first_and_dashes_where_nothing_is_known():
    teacher, student = model_rows(METRICS)
    assert teacher.model == "teacher"
    assert teacher.detail == ""  # it would only repeat the name
    assert teacher.cells == ("Teacher", *[UNKNOWN] * 10)
    assert student.detail == "MobileNetV2 0.35"
    assert dict(zip(HEADINGS, student.cells, strict=True)) == {
        "Model": "Student, distilled",
        "Parameters": "410 k",
        "MB": "1.83",
        "Multiply-adds": "19 M",
        "Test accuracy": "98.70%",
        "95% interval": "97.90 to 99.20%",
        "Without copies": "93.00%",
        "Its 95% interval": "90.00 to 95.00%",
        "Macro F1": "98.60%",
        "Macro F2": UNKNOWN,
        "ms / image": "3.1",
    }


def test_markdown_has_a_row_for_each_model():
    lines = markdown_table(METRICS).splitlines()
    assert len(lines) == 4
    assert {line.count("|") for line in lines} == {len(HEADINGS) + 1}


def test_no_models_no_rows():
    assert model_rows({}) == []


def test_seeds_stand_side_by_side_with_mean_and_spread():
    def seeds(**accuracies):
        return [
            {"seed": int(key[1:]), "test": {"accuracy": value}}
            for key, value in accuracies.items()
        ]

    metrics = {
        "models": {
            "teacher": {"title": "T"},
            "baseline": {
                "seeds": seeds(s0=0.98, s1=0.96),
                "mean": {"accuracy": 0.97},
                "spread": {"accuracy": 0.0141},
            },
        }
    }
    headings, rows = seed_table(metrics)
    assert headings == (
        "Test accuracy",
        "Seed 0",
        "Seed 1",
        "Mean",
        "Standard deviation (points)",
    )
    assert rows == [("Student, no teacher", "98.00%", "96.00%", "97.00%", "1.41")]
    assert seed_table(METRICS)[1] == []
