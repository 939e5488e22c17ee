from typing import final

from wyrm.optim.update import Plan
from wyrm.worker import Control, Worker

@final
class Shards:
    def __init__(
        self, workers: list[Worker], control: Control, n_threads: int, n_examples: int, batch_size: int
    ) -> None: ...

@final
class Reducer:
    error: BaseException | None
    def __init__(self, shards: Shards, thread: int, plan: Plan) -> None: ...
    def run(self) -> None: ...
