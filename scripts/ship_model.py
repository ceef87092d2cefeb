"""Put the network that `keras-efficient train` chose into models/, with its C code and its card.

Validation accuracy is the one it was chosen by; test accuracy the one that the run looked at once.

    keras-efficient train --dataset digits --out RUN --seed 0
    python scripts/ship_model.py --run RUN --name digits_1_5kb --title "Digits in 1,506 bytes" --dataset digits
        --recipe "keras-efficient train --dataset digits --out RUN --seed 0" [--data-dir DIR] [--remark SENTENCE]

`mnist_2kb.py` and `random_bases_bytes.py --keep` put theirs there themselves.
"""

import argparse
from pathlib import Path

import keras_efficient as ke
from keras_efficient.report import load_result
from measuring.model_card import keep_network

SPLIT = "It was chosen on validation data, a part of the training set; test data was looked at once in this run."


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="folder of the finished run")
    parser.add_argument("--name", required=True, help="of the folder in models/")
    parser.add_argument("--title", required=True, help="of the card")
    parser.add_argument("--dataset", required=True, choices=ke.datasets.DATASETS)
    parser.add_argument("--recipe", required=True, help="the command that made the run")
    parser.add_argument("--remark", default="", help="a sentence of the card: what else was run")
    parser.add_argument("--data-dir", help="folder of the data files; without it they are downloaded")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    best = load_result(arguments.run)["best"]
    facts = {
        **{key: getattr(arguments, key) for key in ("name", "title", "recipe", "seed")},
        "data": arguments.dataset,
        "split": f"{SPLIT} {arguments.remark}".rstrip(),
        "accuracy": {"validation": best["val_accuracy"], "test": best["test_accuracy"]},
    }
    data = ke.datasets.load_dataset(arguments.dataset, arguments.data_dir)
    print(f"Wrote {keep_network(arguments.run / best['path'], facts, data.x_test, data.y_test).name}")


if __name__ == "__main__":
    main()
