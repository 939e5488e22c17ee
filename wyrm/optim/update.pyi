from collections.abc import Callable, Iterable
from typing import Any

from typing_extensions import disjoint_base

from wyrm.leaf import ParameterNode
from wyrm.parameter import HogwildParameter

@disjoint_base
class Plan: ...

@disjoint_base
class Optimizer:
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def _set_up(
        self,
        rule: str,
        learning_rate: float | Callable[[float], float],
        parameters: Iterable[ParameterNode] | None,
        settings: dict[str, Any],
    ) -> None: ...
    @property
    def learning_rate(self) -> float: ...
    @learning_rate.setter
    def learning_rate(self, value: float | Callable[[float], float]) -> None: ...
    @property
    def schedule(self) -> Callable[[float], float] | None: ...
    @property
    def progress(self) -> float: ...
    @progress.setter
    def progress(self, value: float) -> None: ...
    @property
    def config(self) -> dict[str, Any]: ...
    def step(self, parameters: Iterable[ParameterNode] | None = None) -> None: ...
    def zero_gradients(self, parameters: Iterable[ParameterNode] | None = None) -> None: ...
    def get_state(
        self,
        parameters: Iterable[ParameterNode | HogwildParameter] | None = None,
        *,
        into: dict[str, Any] | None = None,
    ) -> dict[str, Any]: ...
    def set_state(
        self, state: dict[str, Any], parameters: Iterable[ParameterNode | HogwildParameter] | None = None
    ) -> None: ...
