"""The queue as those who review see it: `listing` says what waits, `queue` shows it and takes rulings."""

from __future__ import annotations

from overseer.checkpoints.listing import Checkpoint, Order, State
from overseer.checkpoints.queue import Acknowledged, Queue, Shown

__all__ = ["Acknowledged", "Checkpoint", "Order", "Queue", "Shown", "State"]
