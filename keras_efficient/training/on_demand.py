"""The public names of training, which are imported when one of them is first asked for."""

from keras_efficient.training.attention_transfer import AttentionTransfer
from keras_efficient.training.driver import train_network
from keras_efficient.training.executors import RayExecutor, process_pool
from keras_efficient.training.experiments import ExperimentResult, Plan, plan_experiment, run_experiment
from keras_efficient.training.halving import Halving
from keras_efficient.training.pruning import (
    compare_recipes,
    dynamic_pruning,
    lottery_ticket,
    one_shot,
)
from keras_efficient.training.random_bases import CoordinateWorkers, RandomBases
from keras_efficient.training.results import BestTrial, Selection, StageResult
from keras_efficient.training.search import SearchResult, SearchSpace, search_networks
from keras_efficient.training.selection import expected_accuracy, selection_score
from keras_efficient.training.stage import Stage
from keras_efficient.training.trial import TrialResult, read_correct

__all__ = [
    "AttentionTransfer",
    "BestTrial",
    "CoordinateWorkers",
    "ExperimentResult",
    "Halving",
    "Plan",
    "RandomBases",
    "RayExecutor",
    "SearchResult",
    "SearchSpace",
    "Selection",
    "Stage",
    "StageResult",
    "TrialResult",
    "compare_recipes",
    "dynamic_pruning",
    "expected_accuracy",
    "lottery_ticket",
    "one_shot",
    "plan_experiment",
    "process_pool",
    "read_correct",
    "run_experiment",
    "search_networks",
    "selection_score",
    "train_network",
]
