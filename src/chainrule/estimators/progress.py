"""How far a training has come, and scikit-learn's rules for when it has come far enough."""

import math
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Progress"]


@dataclass
class Progress:
    """What the stopping rules remember from epoch to epoch, also from one ``fit`` to the next.

    An epoch counts as progress if the loss fell below the best one by ``tol`` or, with early
    stopping, if the validation score reached the best one plus ``tol``. After more than
    ``n_iter_no_change`` epochs in a row without, patience has run out.

    Attributes
    ----------
    tol, patience
        ``tol`` and ``n_iter_no_change``.
    by_score
        Whether the validation score decides; else the loss does.
    losses, validation_losses, validation_scores
        One per epoch.
    best_loss, best_score
        The best up to now.
    best_model
        The model with the best score.
    waited
        Epochs in a row without progress.
    rows_seen
        Rows of all batches up to now.
    score_to_reach
        From which score on the latest epoch counts as progress.

    Examples
    --------
    >>> from chainrule.estimators.progress import Progress
    >>> progress = Progress(tol=0.1, patience=1)
    >>> for loss in [1.0, 0.5, 0.45, 0.44]:
    ...     progress.after_epoch(loss)
    >>> progress.waited, progress.exhausted, progress.best_loss
    (2, True, 0.44)
    """

    tol: float
    patience: float
    by_score: bool = False
    losses: list[float] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)
    validation_scores: list[float] = field(default_factory=list)
    best_loss: float = math.inf
    best_score: float = -math.inf
    best_model: Any = None
    waited: int = 0
    rows_seen: int = 0
    score_to_reach: float = -math.inf

    def after_epoch(self, loss: float) -> None:
        """Count an epoch, whose validation score was noted before."""
        self.losses.append(loss)
        if self.by_score:
            stalled = self.validation_scores[-1] < self.score_to_reach
        else:
            stalled = loss > self.best_loss - self.tol
        self.best_loss = min(self.best_loss, loss)
        self.waited = self.waited + 1 if stalled else 0

    def note_validation(self, loss: float, score: float, model: Any) -> None:
        """Note how the model did on the validation rows after an epoch."""
        self.validation_losses.append(loss)
        self.validation_scores.append(score)
        self.score_to_reach = self.best_score + self.tol
        if score > self.best_score:
            self.best_score, self.best_model = score, model

    @property
    def exhausted(self) -> bool:
        """Whether patience has run out."""
        return self.waited > self.patience

    @property
    def epochs_at_least(self) -> float:
        """For how many more epochs patience will last, whatever they bring."""
        return self.patience + 1 - self.waited
