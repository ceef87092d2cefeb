"""Networks with branches: the order of their layers that needs the least memory, and its price."""

from keras_efficient.storage.graphs.graph import PlanNode, gathering
from keras_efficient.storage.graphs.order import OrderPlan, plan_order

__all__ = ["PlanNode", "OrderPlan", "gathering", "plan_order"]
