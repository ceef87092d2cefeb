"""Train a network in stages of trials and keep the best: copy this file and edit it.

python scripts/select_trials.py
"""

import keras_efficient as ke

# What to train: see `keras_efficient.networks` for more, `ke.datasets.DATASETS` for the data.
network = [
    ("C", 12, 3, 4, 8, 4),  # 12 filters of 3 x 3; 4-bit kernel, 8-bit bias, 4-bit output
    ("C", 16, 3, 4, 8, 4),
    ("M", 2, 4),  # max pooling
    ("D", 0.1, 4),  # dropout
    ("S", 10, 4, 8, 8),  # 10 logits
]
images = ke.datasets.load_dataset("digits", seed=0)

# What it will cost, before any training.
print(ke.estimate_storage(network, input_shape=images.x_train.shape[1:]))

# Float first, then 4 bits with scales that train, then with frozen scales.
stages = [
    ke.Stage("float", trials=3, epochs=60, batch_size=71),
    ke.Stage("learn_scales", trials=2, epochs=40, batch_size=71),
    ke.Stage("freeze_scales", trials=2, epochs=60, batch_size=71),
]
selection = ke.train_network(network, images.arrays(), stages, directory="runs/select_trials")
for stage in selection.stages:
    print(stage.mode, [f"{trial.val_accuracy:.2%}" for trial in stage], "chosen:", stage.chosen)
print(f"{selection.best.total_bytes} bytes, test accuracy {selection.best.test_accuracy:.2%}")
