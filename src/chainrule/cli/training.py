"""``chainrule train``: a data set, a network, a run directory."""

import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from chainrule import __version__, data, nn, storage, train, words
from chainrule.cli.options import TrainOptions, named_optimizer
from chainrule.cli.tasks import TASKS, Arrays, Task, baseline_scores
from chainrule.data import Dataset, Split, Standardizer, datasets
from chainrule.train import save_model

__all__ = ["train_and_report"]


@dataclass(frozen=True)
class Prepared:
    """A data set, standardized by its training rows.

    Attributes
    ----------
    x, t
        Features and targets of all rows, as the network sees them.
    features, targets
        What they were standardized by; classes are not.
    split
        Which rows are for training, validation and test.
    """

    x: np.ndarray
    t: np.ndarray
    features: Standardizer
    targets: Standardizer | None
    split: Split

    def rows(self, part: np.ndarray) -> Arrays:
        """Features and targets of some rows."""
        return self.x[part], self.t[part]


class MetricsLog(train.Callback):
    """Writes each epoch's record to a file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_epoch_end(self, run: train.Run) -> None:
        """Append the newest record."""
        storage.append_json_line(self.path, run.history[-1])


def train_and_report(options: TrainOptions) -> Path:
    """Train as the options say, tell what happens, and return the directory of the run.

    Raises
    ------
    ChainruleError
        If an option makes no sense, training fails or a file cannot be written. Then no run
        directory is left behind.
    """
    details, results = Console(quiet=options.quiet), Console()
    dataset = datasets.load(options.dataset)
    task = TASKS[dataset.task]
    generator = np.random.default_rng(options.seed)
    prepared = prepare(dataset, options, generator)
    options = options.planned_for(len(prepared.split.train))
    train_rows, validation_rows, test_rows = map(prepared.rows, prepared.split)
    model = nn.MLP(**architecture(dataset, options), rng=generator)
    optimizer = named_optimizer(options.optimizer, options.learning_rate)
    say(details, data_line(dataset))
    say(details, model_line(options, model))
    with run_directory(options.runs_dir, dataset.name) as directory:
        storage.write_json(directory / "config.json", configuration(dataset, options, prepared))
        metrics = directory / "metrics.jsonl"
        model, _ = train.fit(
            model,
            task.cost,
            train_rows,
            optimizer=optimizer,
            epochs=options.epochs or 0,
            batch_size=options.batch_size,
            validation=validation_rows if options.validation else None,
            metrics=task.metrics,
            callbacks=[MetricsLog(metrics)],
            progress=not options.quiet,
            rng=generator,
        )
        save_model(directory / "model.safetensors", model)
        if options.test:
            with details.status(words.text("cli.baselines")):
                scores = test_scores(task, model, train_rows, test_rows, options.seed)
            storage.append_json_line(metrics, {"test": scores})
            say(results, test_line(scores), style="bold")
    say(results, words.text("cli.run", directory=directory))
    return directory


def say(console: Console, line: str, style: str | None = None) -> None:
    """Print a line as it is; only a terminal may break it."""
    console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)


# ---------------------------------------------------------------------- data
def prepare(dataset: Dataset, options: TrainOptions, rng: np.random.Generator) -> Prepared:
    """Split the rows and standardize by those for training; ``rng`` is first used here."""
    is_classes = dataset.task == "classification"
    split = data.split(
        dataset.rows,
        test=options.test,
        validation=options.validation,
        labels=dataset.t if is_classes else None,
        rng=rng,
    )
    features = Standardizer.fit(dataset.x[split.train])
    targets = None if is_classes else Standardizer.fit(dataset.t[split.train])
    t = dataset.t if targets is None else targets(dataset.t)
    return Prepared(features(dataset.x), t, features, targets, split)


def test_scores(
    task: Task, model: nn.MLP, train_rows: Arrays, test_rows: Arrays, seed: int
) -> dict[str, float]:
    """The score on the test rows: ours under the name of the score, baselines under their own."""
    x, t = test_rows
    ours = task.score(task.predict(model(x.astype(np.float32)).numpy()), t)
    return {task.score_name: ours, **baseline_scores(task, train_rows, test_rows, seed)}


# ---------------------------------------------------------------------- the run directory
@contextmanager
def run_directory(parent: Path, name: str) -> Iterator[Path]:
    """A new numbered directory, which is removed again if what follows fails."""
    directory = storage.make_numbered_directory(parent, name)
    try:
        yield directory
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise


def architecture(dataset: Dataset, options: TrainOptions) -> dict[str, Any]:
    """The arguments that the network is made with."""
    return {
        "in_features": dataset.features,
        "hidden": options.hidden,
        "out_features": dataset.outputs,
        "activation": options.activation,
        "dropout": options.dropout,
    }


def configuration(dataset: Dataset, options: TrainOptions, prepared: Prepared) -> dict[str, Any]:
    """All that is needed to build the model again, to use it, and to repeat the run."""
    return {
        "versions": {
            "chainrule": __version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "options": asdict(options),
        "dataset": {
            "name": dataset.name,
            "task": dataset.task,
            "rows": dataset.rows,
            "feature_names": dataset.feature_names,
            "target_names": dataset.target_names,
            "class_names": dataset.class_names,
        },
        "split": {
            "test": options.test,
            "validation": options.validation,
            "stratified": dataset.task == "classification",
            "seed": options.seed,
        },
        "preprocessing": {
            "features": prepared.features.to_dict(),
            "targets": prepared.targets and prepared.targets.to_dict(),
        },
        "model": {"kind": "MLP", **architecture(dataset, options)},
        "cost": TASKS[dataset.task].cost_name,
    }


# ---------------------------------------------------------------------- lines
def data_line(dataset: Dataset) -> str:
    """What is learned, in one line."""
    sizes = {"name": dataset.name, "rows": dataset.rows, "features": dataset.features}
    if dataset.task == "classification":
        return words.text("cli.classification", **sizes, outputs=dataset.outputs)
    return words.text("cli.regression", **sizes, targets=", ".join(dataset.target_names))


def model_line(options: TrainOptions, model: nn.MLP) -> str:
    """What learns it and how, in one line."""
    layers = (*model.hidden, model.output)
    init = nn.initializer("auto", nn.activation(options.activation))
    return words.text(
        "cli.model",
        sizes="-".join(str(layer.in_features) for layer in layers)
        + f"-{model.output.out_features}",
        activation=options.activation,
        init=init.__name__,
        parameters=nn.parameter_count(model),
        optimizer=options.optimizer,
        learning_rate=options.learning_rate,
        batch_size=options.batch_size,
    )


def test_line(scores: dict[str, float]) -> str:
    """The scores on the test rows, ours first, in one line."""
    labels = {
        "accuracy": words.text("cli.accuracy"),
        "r_squared": words.text("cli.r_squared"),
        "linear_model": words.text("cli.linear_model"),
        "boosted_trees": words.text("cli.boosted_trees"),
    }
    ours, *others = (f"{labels[name]} {score:.3f}" for name, score in scores.items())
    if not others:
        return words.text("cli.test", ours=ours)
    return words.text("cli.test_beside", ours=ours, others=", ".join(others))
