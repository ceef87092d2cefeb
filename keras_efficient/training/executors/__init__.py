"""Where trials run: worker processes of this machine, a Ray cluster, or anything else that
speaks the protocol of `concurrent.futures.Executor`.

An executor may have more than the protocol asks for: `share(value)` hands a value to the workers
once and returns what stands for it among the arguments of `submit`; `retries_lost_tasks` says
that it runs a task again by itself when its worker dies.
"""

from keras_efficient.training.executors.pool import ProcessPool, process_pool
from keras_efficient.training.executors.ray_executor import RayExecutor

__all__ = ["ProcessPool", "RayExecutor", "process_pool"]
