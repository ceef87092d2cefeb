"""Networks with branches: the order of their layers that needs the least memory, and its price."""

from keras_efficient.storage.graphs.graph import Node, gathering
from keras_efficient.storage.graphs.order import Plan, plan_order

__all__ = ["Node", "Plan", "gathering", "plan_order"]
