"""Experiments as files: one YAML file says what to train, and which settings to compare.

From file to table, one module a step:

    yaml_file   text -> plain values
    keys        only settings that exist
    updates     the methods' lists and the file's settings -> settings of a method
    resolve     a point -> everything its runs need, defaults filled in
    plan        settings with lists of choices -> all points, all seeds: the runs, each with the hash it is found by
    search_plan the setting `search`: the space of a search among many runs
    execution   what is missing is trained
    search_run  Optuna draws the runs of a search; they are priced, and trained from rung to rung
    summary     experiment.json and the table
"""

from keras_efficient.training.experiments.plan import Plan, plan_experiment
from keras_efficient.training.experiments.run import run_experiment
from keras_efficient.training.experiments.summary import ExperimentResult, list_experiment

__all__ = ["ExperimentResult", "Plan", "list_experiment", "plan_experiment", "run_experiment"]
