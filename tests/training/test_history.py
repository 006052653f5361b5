import keras

from kerakd.training.history import refill, write_history

ROWS = [
    {"epoch": 1, "seconds": 2.5, "learning_rate": 0.1, "loss": 1.0},
    {
        "epoch": 2,
        "seconds": 2.25,
        "learning_rate": 0.10000000149011612,
        "loss": 0.5,
        "val_loss": 1 / 3,
    },
]


def test_table(tmp_path):
    write_history(tmp_path / "history.csv", ROWS)
    assert (tmp_path / "history.csv").read_text() == (
        "epoch,seconds,learning_rate,loss,val_loss\n"
        "1,2.5,0.1,1.0,\n"
        "2,2.25,0.1,0.5,0.3333333333333333\n"
    )


def test_history_is_as_if_it_had_seen_the_epochs():
    history = keras.callbacks.History()
    refill(history, ROWS)
    assert history.epoch == [0, 1]
    assert history.history == {
        "learning_rate": [0.1, 0.10000000149011612],
        "loss": [1.0, 0.5],
        "val_loss": [1 / 3],
    }
