from typing import Self

from typing_extensions import disjoint_base

from wyrm.optim.update import Plan
from wyrm.worker import Control, Worker

@disjoint_base
class Shards:
    def __new__(
        cls, workers: list[Worker], control: Control, n_threads: int, n_examples: int, batch_size: int
    ) -> Self: ...

@disjoint_base
class Reducer:
    error: BaseException | None
    def __new__(cls, shards: Shards, thread: int, plan: Plan) -> Self: ...
    def run(self, most: int = 0) -> bool: ...
