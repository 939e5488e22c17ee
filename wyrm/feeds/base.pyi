from typing_extensions import disjoint_base

@disjoint_base
class Cursor: ...

@disjoint_base
class Feed:
    @property
    def n_examples(self) -> int: ...
    def __len__(self) -> int: ...
