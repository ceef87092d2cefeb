"""`search_networks`: the best networks that fit a number of bytes."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

from keras_efficient.files import json_value, read_json, remove_temporary, write_json
from keras_efficient.folders import tidy_up
from keras_efficient.training.engines import DEFAULT_ENGINE
from keras_efficient.training.executors.tasks import Executor
from keras_efficient.training.executors.trials import shared
from keras_efficient.training.manifest import check_directory, opened
from keras_efficient.training.progress import make_progress
from keras_efficient.training.search.brief_training import Job, forget, train_all
from keras_efficient.training.search.outcome import RESULT, is_complete, write_outcome
from keras_efficient.training.search.pricing import price_network
from keras_efficient.training.search.results import CandidateResult, SearchResult
from keras_efficient.training.search.rounds import Rounds
from keras_efficient.training.search.settings import Drawn, NetworkLimits, Search
from keras_efficient.training.search.space import SearchSpace

_DRAWN = "drawn.json"
_PRICES = ("weight_bytes", "activation_bytes", "total_bytes", "parameters", "mult_adds")


def search_networks(
    data: Sequence,
    max_bytes: float,
    directory: str | Path,
    space: SearchSpace | None = None,
    samples: int = 60,
    epochs: Sequence[int] = (5, 5),
    batch_size: int | None = None,
    references: Mapping[str, Sequence] | None = None,
    executor: Executor | None = None,
    seed: int = 0,
    verbose: bool | str = "auto",
    engine: str = DEFAULT_ENGINE,
    limits: NetworkLimits | None = None,
    network: Sequence | None = None,
    mutants: int = 0,
    halving: int | None = None,
    seeds: int = 1,
) -> SearchResult:
    """Find networks that are accurate for their bytes.

    All candidates of a search space (of more than 3 million: 100,000, drawn at random) are priced exactly; of those
    whose weights and activations fit `max_bytes`, a sample about uniform in the logarithm of the bytes is trained
    briefly: float epochs, calibration, quantized epochs with learnt scales. The highest validation accuracy of the
    quantized epochs ranks. Source: the architecture sweep of Gural & Murmann, ICML 2019.

    The directory receives search.json (everything), network.json (the best one, for `keras-efficient train
    --network`), search.html (accuracy against bytes, the Pareto front) and, in candidates/, the trials of each
    candidate; those of later rungs and seeds in folders of their own. A call with the same arguments continues an
    interrupted search: what has a record is not trained again. A finished search is only read.

    Accuracies of a search are those of brief trainings, and the best of many: train the winner, and measure it on
    test data then.

    Args:
        data: Samples with classes in all forms of `train_network`; test data is not looked at.
        max_bytes: Limit of weight bytes and activation bytes together.
        directory: Where the files go: new, empty, or a search with the same arguments.
        space: The candidates; None: `SearchSpace.for_inputs` of the data.
        samples: How many candidates to train; all where fewer fit.
        epochs: (float, quantized) epochs of a candidate.
        batch_size: None: 128 as in the study, or samples // 32 if that is less.
        references: Descriptions by name, trained in the same way and shown beside the candidates, not chosen. None:
            the package's own network for 28 x 28 x 1 or 8 x 8 x 1 inputs and 10 classes.
        executor: A `concurrent.futures.Executor` whose workers train candidates; None trains them one after the
            other in this process. One whose worker dies is trained again.
        seed: Decides the sample, and all initial weights, shuffles and dropout.
        verbose: Progress bar: True, False, or "auto" (in a terminal or notebook).
        engine: What computes the epochs, see `train_network`.
        limits: What candidates must keep besides `max_bytes`, such as `export.FirmwareLimits`. Those that do not
            are left out of the sample, before anything is trained; at most 10 times `samples` are looked at.
        network: A description of your own, one candidate more (the first), whatever is drawn. It is in every round.
        mutants: So many candidates more, each with few changes to one of the best so far: to a number of an item, to
            an item.
        halving: Epochs of the first of several rungs, float and quantized each: then the best quarter of the
            candidates (front by front, so that small ones are among them) trains anew with 4 times the epochs, and so
            on up to `epochs`. None: one rung.
        seeds: Above 1 those on the front of the last rung, the network of your own and the references train anew
            with so many other seeds; mean and spread over them rank, free of the luck of the draw.

    Raises:
        ValueError: An argument is wrong, no candidate fits, the directory holds something else, or all candidates
            fail.
        BlockingIOError: Another process is at work in the directory.
        ChildProcessError: A candidate loses its worker again and again.
    """
    search = Search.prepare(
        data,
        max_bytes,
        directory,
        space,
        samples,
        epochs,
        batch_size,
        references,
        seed,
        engine,
        limits,
        network,
        mutants,
        halving,
        seeds,
    )
    check_directory(search.directory, search.manifest())
    if not is_complete(search):
        _run(search, executor, verbose)
    else:
        tidy_up(search.directory)
    return SearchResult.from_json(read_json(search.directory / RESULT), search.directory)


def _run(search, executor, verbose):
    references = [
        _job(f"references/{number}", name, search.references[name], report, search.seed)
        for number, (name, report) in enumerate(search.priced_references().items())
    ]
    report = search.priced_network()
    own = [] if report is None else [_job("candidates/own", "own network", search.network, report, search.seed)]
    started = time.perf_counter()
    priced = search.priced()
    price_seconds = time.perf_counter() - started
    drawn = _drawn(search, priced)
    numbers = count()
    jobs = [_candidate(next(numbers), priced.networks[index], priced.prices[index], search) for index in drawn.indices]

    def mutant(network):
        return _candidate(next(numbers), network, price_network(network, search.data.input_shape), search)

    with opened(search.directory, search.manifest()):
        if search.limits is not None:
            write_json(search.directory / _DRAWN, drawn._asdict())
        with make_progress(verbose) as progress, shared(search.data, None, search.directory) as data:
            train = partial(_round, replace(search, prepared=replace(search.prepared, data=data)), executor, progress)
            fixed = len(references) + len(own)
            rounds = Rounds(search, [*references, *own, *jobs], len(references), fixed, train, mutant)
            results = rounds.all_results()
            forget()
        found, known = results[len(references) :], results[: len(references)]
        write_outcome(search, priced, found, known, price_seconds, drawn.left_out)


def _round(search, executor, progress, name, jobs):
    """Train the jobs of one round."""
    for folder in {job.record(search).parent for job in jobs}:
        remove_temporary(folder)
    progress.stage(1, 1, name, len(jobs), 1)
    return train_all(search, jobs, executor, progress)


def _drawn(search, priced):
    """What to train; of an interrupted search with limits what it has drawn: records are numbered by that."""
    path = search.directory / _DRAWN
    return Drawn(**read_json(path)) if path.exists() else search.drawn(priced)


def _candidate(number, network, price, search):
    return _job(f"candidates/{number:04d}", f"candidate {number}", network, price, search.seed)


def _job(place, name, network, price, seed=0):
    prices = {key: getattr(price, key) for key in _PRICES}
    return Job(place, CandidateResult(name, json_value(list(network)), **prices), seed=seed)
