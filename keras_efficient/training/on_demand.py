"""The public names of training, which are imported when one of them is first asked for."""

from keras_efficient.training.attention_transfer import AttentionTransfer as AttentionTransfer
from keras_efficient.training.driver import train_network as train_network
from keras_efficient.training.executors import RayExecutor as RayExecutor
from keras_efficient.training.executors import process_pool as process_pool
from keras_efficient.training.experiments import ExperimentResult as ExperimentResult
from keras_efficient.training.experiments import Plan as Plan
from keras_efficient.training.experiments import plan_experiment as plan_experiment
from keras_efficient.training.experiments import run_experiment as run_experiment
from keras_efficient.training.halving import Halving as Halving
from keras_efficient.training.pruning import compare_recipes as compare_recipes
from keras_efficient.training.pruning import dynamic_pruning as dynamic_pruning
from keras_efficient.training.pruning import lottery_ticket as lottery_ticket
from keras_efficient.training.pruning import one_shot as one_shot
from keras_efficient.training.random_bases import CoordinateWorkers as CoordinateWorkers
from keras_efficient.training.random_bases import RandomBases as RandomBases
from keras_efficient.training.results import BestTrial as BestTrial
from keras_efficient.training.results import Selection as Selection
from keras_efficient.training.results import StageResult as StageResult
from keras_efficient.training.search import SearchResult as SearchResult
from keras_efficient.training.search import SearchSpace as SearchSpace
from keras_efficient.training.search import search_networks as search_networks
from keras_efficient.training.selection import expected_accuracy as expected_accuracy
from keras_efficient.training.selection import selection_score as selection_score
from keras_efficient.training.stage import Stage as Stage
from keras_efficient.training.trial import TrialResult as TrialResult
from keras_efficient.training.trial import read_correct as read_correct
