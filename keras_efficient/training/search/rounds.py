"""The rounds of a search: all candidates, more that resemble the best, the better ones longer, the front with seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from keras_efficient.training.search.brief_training import Job
from keras_efficient.training.search.candidates import Network
from keras_efficient.training.search.mutation import mutants
from keras_efficient.training.search.outcome import pareto_front
from keras_efficient.training.search.pricing import price_network
from keras_efficient.training.search.results import CandidateResult
from keras_efficient.training.search.settings import FACTOR, Search

_GENERATION = 25  # mutants that have the same parents
_PARENTS = 25
_MEANS = ("float_accuracy", "val_accuracy", "val_loss")

# What trains the jobs of a round, and says how each ended.
Train = Callable[[str, Sequence[Job]], list[CandidateResult]]


@dataclass
class Rounds:
    """All rounds of a search.

    Args:
        search: The settings.
        jobs: What to train: references, the network that was given, candidates.
        references: How many of them are references, the first ones.
        fixed: How many take part in every round, the first ones.
        train: Trains the jobs of a round.
        make_job: The job of one candidate more, from a description.
    """

    search: Search
    jobs: list[Job]
    references: int
    fixed: int
    train: Train
    make_job: Callable[[Network], Job]

    def __post_init__(self):
        self._drawn = len(self.jobs)

    def all_results(self) -> list[CandidateResult]:
        """What each network came to in its last round."""
        first, *longer = self.search.rungs
        climbing = range(len(self.jobs))
        self.results = list(self._trained("", climbing, stages=first).values())
        while self._add_mutants():
            new = range(len(self.results), len(self.jobs))
            self.results += self._trained("", new, stages=first).values()
        climbing = range(len(self.jobs))
        for number, stages in enumerate(longer, 1):
            climbing = self._better(climbing)
            for index, result in self._trained(f"rung_{number}", climbing, stages=stages).items():
                self.results[index] = replace(result, rung=number)
        if self.search.seeds > 1:
            self._train_finalists(climbing)
        return self.results

    def _trained(self, folder, indices, **changes):
        """The results of a round by index; its files have a folder of their own."""
        jobs = [self.jobs[index] for index in indices]
        jobs = [replace(job, place=f"{folder}/{job.place}".lstrip("/"), **changes) for job in jobs]
        return dict(zip(indices, self.train(folder or "search", jobs), strict=True))

    def _add_mutants(self):
        """Append the next generation, whose parents are the best so far; whether there is one."""
        made = len(self.jobs) - self._drawn
        parents = [self._network(index) for index in self._leaders(range(len(self.results)), _PARENTS)]
        count = min(_GENERATION, self.search.mutants - made)
        if not parents or count < 1:
            return False
        known = {self._network(index) for index in range(self.references, len(self.jobs))}
        seed = f"{self.search.seed}/{made}"
        found = mutants(parents, self.search.space, count, seed, lambda network: self._admits(network, known))
        self.jobs += map(self.make_job, found)
        return bool(found)

    def _network(self, index):
        return tuple(map(tuple, self.jobs[index].candidate.network))

    def _admits(self, network, known):
        price = price_network(network, self.search.data.input_shape)
        fits = price is not None and price.total_bytes <= self.search.max_bytes and network not in known
        limits = self.search.limits
        return fits and (limits is None or limits.admits(network, self.search.data.input_shape))

    def _better(self, climbing):
        """Who is in the next rung: the best quarter of the candidates, and those that always are."""
        drawn = [index for index in climbing if index >= self.fixed]
        return [*range(self.fixed), *self._leaders(drawn, max(1, len(drawn) // FACTOR))]

    def _leaders(self, indices, count):
        """The best candidates front by front, so that small ones are among them."""
        left = [i for i in indices if i >= self.references and self.results[i].status == "finished"]
        found: list[int] = []
        while left and len(found) < count:
            front = self._front(left)
            front.sort(key=lambda index: (-self.results[index].val_accuracy, index))
            found += front[: count - len(found)]
            left = [index for index in left if index not in front]
        return sorted(found)

    def _front(self, indices):
        results = [self.results[index] for index in indices]
        front = pareto_front([each.total_bytes for each in results], [each.val_accuracy for each in results])
        return [indices[place] for place in front]

    def _train_finalists(self, climbing):
        """Those on the front with other seeds than the one that brought them there: free of its luck."""
        finished = [i for i in climbing if i >= self.references and self.results[i].status == "finished"]
        finalists = sorted({*range(self.fixed), *self._front(finished)})
        stages, seeds = self.search.rungs[-1], range(1, self.search.seeds + 1)
        runs = [self._trained(f"seed_{seed}", finalists, stages=stages, seed=self.search.seed + seed) for seed in seeds]
        for index in finalists:
            self.results[index] = _over_seeds([run[index] for run in runs], len(self.search.rungs))


def _over_seeds(trained: Sequence[CandidateResult], rung: int) -> CandidateResult:
    """The means over several seeds; the first failure where there is one."""
    for result in trained:
        if result.status == "failed":
            return replace(result, rung=rung)
    accuracies = [result.val_accuracy for result in trained if result.val_accuracy is not None]
    means = {name: _mean([getattr(result, name) for result in trained]) for name in _MEANS}
    seconds = sum(result.train_seconds for result in trained)
    spread = float(np.std(accuracies, ddof=1))
    return replace(trained[0], **means, val_accuracies=accuracies, spread=spread, rung=rung, train_seconds=seconds)


def _mean(values):
    return float(np.mean(values))
