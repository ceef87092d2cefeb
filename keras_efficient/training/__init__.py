"""Training in stages of trials, and the choice among them."""

from keras_efficient.training.driver import train_network
from keras_efficient.training.results import BestTrial, Selection, StageResult
from keras_efficient.training.selection import expected_accuracy, selection_score
from keras_efficient.training.stage import Stage
from keras_efficient.training.trial import TrialResult, read_correct

__all__ = [
    "BestTrial",
    "Selection",
    "Stage",
    "StageResult",
    "TrialResult",
    "expected_accuracy",
    "read_correct",
    "selection_score",
    "train_network",
]
