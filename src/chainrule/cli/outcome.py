"""How good a trained network is: on the test rows, against baselines, and as a page."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chainrule import __version__, nn, report, train, words
from chainrule.autodiff import grad
from chainrule.cli.options import TrainOptions
from chainrule.cli.tasks import TASKS
from chainrule.compare import Baselines, train_baselines
from chainrule.data.tables import LoadedTable
from chainrule.errors import OptionError
from chainrule.explain import explain
from chainrule.explain.document import Document
from chainrule.trees import tree_at

__all__ = ["Judged", "judge", "write_report"]

#: Rows that go through the network at a time.
BLOCK = 65536


@dataclass(frozen=True, eq=False)
class Judged:
    """What came out for the test rows.

    Attributes
    ----------
    scores
        Ours under the name of the score, then those of the baselines under their own names.
    outputs
        What the network puts out for each row.
    baselines
        The others.
    """

    scores: dict[str, float]
    outputs: np.ndarray
    baselines: Baselines


def judge(model: nn.MLP, table: LoadedTable, seed: int) -> Judged:
    """Let the network and the baselines predict the test rows."""
    task, (training, _, test) = TASKS[table.task], table.split
    x, t = table.x[test], table.t[test]
    outputs = np.concatenate([model(x[i : i + BLOCK]).numpy() for i in range(0, len(x), BLOCK)])
    baselines = train_baselines(
        table.task,
        (table.x, table.t),
        (x, t),
        rows=training,
        classes=len(table.target.class_names) or None,
        seed=seed,
    )
    ours = task.score(task.predict(outputs), t)
    return Judged({task.score_name: ours, **baselines.scores}, outputs, baselines)


# ---------------------------------------------------------------------- the page
def write_report(
    path: Path,
    name: str,
    table: LoadedTable,
    model: nn.MLP,
    history: train.History,
    judged: Judged | None,
    options: TrainOptions,
    command: str,
) -> str:
    """Write the page of a run; returns a sentence if it cannot be written here."""
    facts = report.Facts(
        name=name,
        task=table.task,
        lang=words.language(),
        rows={part: len(rows) for part, rows in table.split._asdict().items() if len(rows)},
        feature_names=table.encoder.feature_names,
        target_names=table.target.names,
        class_names=table.target.class_names,
        scores=_scores(judged),
        outcomes=_outcomes(table, judged) if judged else None,
        history=history.records,
        layers=_layers(model),
        derivation=_derivation(table, model, judged),
        statistics=[found.to_dict() for found in history.statistics],
        notes=[*table.notes, *(judged.baselines.notes if judged else ())],
        settings=_settings(options),
        command=command,
        versions={"chainrule": __version__, "numpy": np.__version__},
    )
    try:
        report.write(path, facts)
    except OptionError as error:  # the extra is not installed: a run is of use without a page
        return str(error)
    return ""


def _scores(judged: Judged | None) -> dict[str, float]:
    if judged is None:
        return {}
    ours, *others = judged.scores.items()
    return {"network": ours[1], **dict(others)}


def _outcomes(table: LoadedTable, judged: Judged) -> report.Outcomes:
    """The test rows in the units of the data."""
    test, target = table.split.test, table.target
    predicted = TASKS[table.task].predict(judged.outputs)
    baselines = judged.baselines.predictions
    rows = (table.table_rows[test] + 1).tolist()
    if target.scaling is None:
        probabilities = nn.predict_probability(judged.outputs).numpy()
        return report.Outcomes(table.t[test], predicted, probabilities, baselines, rows)
    back = target.scaling.inverse
    return report.Outcomes(
        back(table.t[test]),
        back(predicted),
        None,
        {name: back(values) for name, values in baselines.items()},
        rows,
    )


def _derivation(table: LoadedTable, model: nn.MLP, judged: Judged | None) -> Document | None:
    """How the first layer's weight with the steepest derivative learns from one test row.

    The row is one that is predicted wrongly, if there is such a one.
    """
    if judged is None:
        return None
    task, test = TASKS[table.task], table.split.test
    wrong = np.flatnonzero(task.predict(judged.outputs) != table.t[test])
    row = test[wrong[0] if wrong.size and table.task == "classification" else 0]
    x, t = table.x[row : row + 1], table.t[row : row + 1]
    weight = f"{_linear(model)[0][0]}.weight"
    slopes = np.abs(tree_at(grad(task.cost)(model, x, t), weight).numpy())
    i, j = np.unravel_index(slopes.argmax(), slopes.shape)
    return explain(task.cost, model, x, t, wrt=f"{weight}[{i}, {j}]").document()


def _layers(model: nn.MLP) -> list[report.Layer]:
    return [
        report.Layer(
            path,
            type(layer).__name__,
            f"{layer.in_features} → {layer.out_features}",
            nn.parameter_count(layer),
        )
        for path, layer in _linear(model)
    ]


def _linear(model: nn.MLP) -> list[tuple[str, nn.Linear]]:
    return [(path, part) for path, part in nn.submodules(model) if isinstance(part, nn.Linear)]


def _settings(options: TrainOptions) -> dict[str, str]:
    return {
        name.replace("_", " "): _shown(value)
        for name, value in options.to_dict().items()
        if value not in ("", (), None) and name not in ("quiet", "runs_dir")
    }


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
