"""The section `data`: which samples the runs see."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from keras_efficient.checks import integer, one_of, random_seed
from keras_efficient.datasets import DATASETS, Affine, Dataset, augment, elastic, load_dataset


@dataclass(frozen=True)
class DataSettings:
    """The samples of a run.

    Attributes:
        dataset: A name of `keras_efficient.datasets.DATASETS`.
        data_dir: Folder of its files; None: they are downloaded.
        validation: Number of validation samples; None: the usual number.
        split_seed: Decides which samples are for validation; None: the seed of the run, as for `train`.
        limit: At most so many training samples; None: all.
        augment: Elastic copies of each training image, or the arguments of `datasets.augment`
            (`copies`, `sigma`, `alpha` ...; `affine` with the arguments of `datasets.Affine`).
    """

    dataset: str
    data_dir: str | None = None
    validation: int | None = None
    split_seed: int | None = None
    limit: int | None = None
    augment: int | dict = 0

    def __post_init__(self):
        one_of(self.dataset, "dataset", DATASETS)
        if not isinstance(self.data_dir, str | None):
            raise ValueError(f"`data_dir` must be a folder. Received: data_dir={self.data_dir!r}")
        for name in ("validation", "limit"):
            if getattr(self, name) is not None:
                integer(getattr(self, name), name, 1)
        if self.split_seed is not None:
            random_seed(self.split_seed)
        # No images, but all checks of the arguments.
        elastic(np.zeros((0, 8, 8), "float32"), **self.distortion())

    def distortion(self) -> dict:
        """The arguments of `datasets.elastic`."""
        if not isinstance(self.augment, dict):
            return {"copies": integer(self.augment, "augment", 0)}
        if "copies" not in self.augment:
            raise ValueError(f"`augment.copies` is missing. Received: augment={self.augment!r}")
        affine = self.augment.get("affine")
        if not isinstance(affine, dict | None):
            raise ValueError(f"`augment.affine` must be ranges such as {{rotation: 7}}. Received: affine={affine!r}")
        return {**self.augment, "affine": None if affine is None else Affine(**affine)}

    def load(self, seed: int) -> Dataset:
        """The samples before `limit` and `augment`."""
        split_seed = seed if self.split_seed is None else self.split_seed
        return load_dataset(self.dataset, self.data_dir, self.validation, split_seed)

    def input_shape(self, seed: int) -> tuple:
        """The shape of one sample."""
        return _arrays(self, seed)[0].shape[1:]

    def training_samples(self, seed: int) -> int:
        """How many training samples there are, without copies."""
        return len(_arrays(self, seed)[0])

    def arrays(self, seed: int) -> tuple:
        """(x_train, y_train, x_val, y_val, x_test, y_test) as `train_network` takes them."""
        x, y, *others = _arrays(self, seed)
        distortion = self.distortion()
        return (*(augment(x, y, seed=seed, **distortion) if distortion["copies"] else (x, y)), *others)

    def __hash__(self):
        return hash(repr(self))


@lru_cache(maxsize=1)  # the next run often takes the same
def _arrays(data, seed):
    x, y, *others = data.load(seed).arrays()
    return x[: data.limit], y[: data.limit], *others
