"""The options of the command, where they are more than reading."""

import pytest

from chainrule.cli.options import TrainOptions


@pytest.mark.parametrize(
    ("rows", "batch_size", "epochs"),
    [(1258, 64, 100), (105, 64, 1000), (6400, 64, 100), (10, 64, 2000), (1281, 64, 100)],
)
def test_small_data_get_more_epochs(rows, batch_size, epochs):
    planned = TrainOptions("digits", batch_size=batch_size).planned_for(rows)
    assert planned.epochs == epochs


def test_what_the_user_says_stands():
    assert TrainOptions("iris", epochs=3).planned_for(105).epochs == 3
    assert TrainOptions("iris", epochs=0).planned_for(105).epochs == 0
