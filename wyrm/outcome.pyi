from typing import NoReturn

from wyrm.feeds.base import Feed
from wyrm.node import OperatorNode
from wyrm.trainer import Trainer
from wyrm.worker import Worker

def outcome_of(
    root: OperatorNode, workers: list[Worker], runners: list[object], feed: Feed, trainer: Trainer
) -> tuple[float, int]: ...
def raise_not_finite(what: str, trainer: Trainer) -> NoReturn: ...
