"""A model that is being trained or asked: its parameters, their optimiser, and a graph for each form of rows."""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from wyrm.leaf import InputNode, ParameterNode
from wyrm.models.inputs import Inputs, Rows
from wyrm.node import Node, OperatorNode
from wyrm.optim import Adagrad, Optimizer
from wyrm.parameter import HogwildParameter
from wyrm.threads import usable_threads
from wyrm.trainer import Trainer

# Threads are worth starting for so many examples each.
EXAMPLES_PER_THREAD = 1000

# Up to so many sparse rows are predicted in the calling thread.
AT_HAND = 256

# Sparse rows that are predicted in one pass through the graph.
TOGETHER = 64


class Graph(NamedTuple):
    """A graph, and where its data goes."""

    inputs: Inputs
    score: OperatorNode
    target: Node
    weight: InputNode | None
    trainer: Trainer


class Network:
    """Parameters, their optimiser, and the graphs over them.

    Parameters
    ----------
    values : dict of str to ndarray of float32
        The parameters by name; emptied, so that large ones don't lie about twice.
    score : callable
        ``score(nodes, inputs)``: the node with a row of outputs per example, of the parameter nodes by name.
    loss : callable
        ``loss(score, target, weight)``: the node of the loss per example.
    make_target : callable
        Makes the input node of the targets.
    """

    def __init__(
        self,
        values: dict[str, np.ndarray],
        score: Callable[[dict[str, ParameterNode], Inputs], Any],
        loss: Callable[[Node, Node, InputNode | None], Any],
        make_target: Callable[[], Node],
        optimizer: Optimizer,
    ) -> None:
        # Arrays that are read-only, such as those of a mapped file, stay where they are until the model is trained.
        self._read_only = not all(value.flags.writeable for value in values.values())
        self.parameters = {}
        for name in list(values):  # one after the other: there is room for one copy of them all
            value = values.pop(name)
            self.parameters[name] = HogwildParameter(value, copy=value.flags.writeable)
            del value
        self._saved: tuple[dict[str, Any], dict[str, np.ndarray]] | None = None
        self.optimizer = optimizer
        self._before: Optimizer | None = None
        self.lock = threading.Lock()
        self._score, self._loss, self._make_target = score, loss, make_target
        self._graphs: dict[tuple[str, bool], Graph] = {}

    # --- Graphs ------------------------------------------------------------------------------------------------------

    def graph(self, rows: Rows, weighted: bool = False) -> Graph:
        """The graph for rows of this form, with or without a weight per example."""
        key = (rows.kind, weighted)
        if key not in self._graphs:
            inputs = rows.inputs()
            nodes = {name: ParameterNode.shared(p, name=name) for name, p in self.parameters.items()}
            score = self._score(nodes, inputs)
            target = self._make_target()
            weight = InputNode([[1.0]], name="sample_weight") if weighted else None
            trainer = Trainer(self._loss(score, target, weight), self.optimizer)
            self._graphs[key] = Graph(inputs, score, target, weight, trainer)
        return self._graphs[key]

    def feed(self, rows: Rows, target: np.ndarray, weight: np.ndarray | None) -> dict[Any, Any]:
        """What the trainer of these rows' graph is fed."""
        graph = self.graph(rows, weight is not None)
        feed = rows.feed(graph.inputs) | {graph.target: target}
        return feed if graph.weight is None else feed | {graph.weight: weight}

    def trainer(self, rows: Rows, weighted: bool, *, n_threads: int, batch_size: int, seed: int) -> Trainer:
        """The trainer of these rows' graph, set up to train on them."""
        self.make_trainable()
        trainer = self.graph(rows, weighted).trainer
        trainer.n_threads = n_threads
        trainer.batch_size = batch_size
        trainer.seed = seed
        return trainer

    def renew(self) -> None:
        """Forget the graphs, and with them what their trainers remember of earlier runs."""
        self._graphs.clear()

    def make_trainable(self) -> None:
        """Copy parameters that are read-only, and give the optimiser the state they were saved with."""
        if self._read_only:
            self._graphs.clear()
            self.parameters = {name: HogwildParameter(parameter.value) for name, parameter in self.parameters.items()}
            self._read_only = False
        if self._saved is not None:
            saved, self._saved = self._saved, None
            self._give_state(*saved)

    def use(self, optimizer: Optimizer) -> None:
        """Go on with this optimiser; the state of the present one is kept where it means the same."""
        if type(optimizer) is type(self.optimizer) and optimizer.config == self.optimizer.config:
            self.optimizer.progress = 0.0
            self.optimizer.learning_rate = optimizer.schedule or optimizer.learning_rate
        else:
            self._graphs.clear()
            # One that trains parameters for the first time shares the state of another that is alive.
            self._before = self.optimizer if _share_state(optimizer, self.optimizer) else None
            self.optimizer = optimizer

    # --- Predicting --------------------------------------------------------------------------------------------------

    def scores(self, rows: Rows, n_threads: int | None) -> np.ndarray:
        """The outputs for rows, float32 (n_rows, n_outputs)."""
        with self.lock:
            graph = self.graph(rows)
            if rows.n_entries and rows.n_rows <= (1 if rows.dense else AT_HAND):
                rows.lay(graph.inputs)
                graph.score.forward()
                return graph.score.value
            trainer = graph.trainer
            before = trainer.n_threads, trainer.batch_size
            # Dense rows one by one: products of matrices round otherwise, and a row's score should be its own.
            trainer.n_threads = threads_for(rows.n_rows, n_threads)
            trainer.batch_size = 1 if rows.dense else TOGETHER
            try:
                return trainer.predict(graph.score, rows.feed(graph.inputs))
            finally:
                trainer.n_threads, trainer.batch_size = before

    def score_one(self, rows: Rows, columns: Any, values: Any, fields: Any = None) -> np.ndarray:
        """The outputs for one row of the form of `rows`, float32 (1, n_outputs), by the shortest way.

        Its values are (n, 1) for n columns, or (1, n) of a dense row. The engine checks columns, values and fields.
        """
        with self.lock:
            graph = self._graphs.get((rows.kind, False)) or self.graph(rows)
            inputs, score = graph.inputs, graph.score
            if inputs.dense is not None:
                inputs.dense.set_value(values)
            else:
                if inputs.values is not None:
                    inputs.values.set_value(values)
                if inputs.columns is not None:
                    inputs.columns.set_value(columns)
                if inputs.field is not None:
                    inputs.field.set_value(fields)
            score.forward()
            return score.value

    # --- Size and state ----------------------------------------------------------------------------------------------

    def grow(self, rows: dict[str, np.ndarray]) -> None:
        """Add rows to some parameters."""
        self.make_trainable()
        self._graphs.clear()
        for name, values in rows.items():
            self.parameters[name] = self.parameters[name].grown(values, self.optimizer)

    def set_rows(self, rows: dict[str, np.ndarray], begin: int) -> None:
        """Give rows of some parameters, from `begin` on, these values."""
        self.make_trainable()
        for name, values in rows.items():
            self.parameters[name].value[begin : begin + len(values)] = values

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Values and optimiser state: what is JSON, and the arrays."""
        arrays = {name: np.array(parameter.value) for name, parameter in self.parameters.items()}
        if self._saved is not None:
            config, slots = self._saved
            return config, arrays | slots
        saved = self.optimizer.get_state(list(self.parameters.values()))
        kinds: dict[str, Any] = {}
        for name, one in zip(self.parameters, saved["parameters"]):
            if one is not None:
                kinds[name] = {"kind": one["kind"], "slots": list(one["slots"]), "clock": one["clock"]}
                arrays |= {f"{name}.{slot}": array for slot, array in one["slots"].items()}
        config = {"progress": saved["progress"], "learning_rate": saved["learning_rate"], "parameters": kinds}
        return config, arrays

    def set_state(self, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Take over the optimiser state that :meth:`state` gave, when it is needed."""
        slots = {}
        for name, kind in config["parameters"].items():
            for slot in kind["slots"]:
                slots[f"{name}.{slot}"] = array = arrays[f"{name}.{slot}"]
                if array.shape != self.parameters[name].shape:
                    raise ValueError(
                        f"expected {name}.{slot} of shape {self.parameters[name].shape}, got {array.shape}"
                    )
        self._saved = config, slots

    def _give_state(self, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        parameters: list[Any] = []
        for name in self.parameters:
            kind = config["parameters"].get(name)
            if kind is not None:
                slots = {slot: arrays[f"{name}.{slot}"] for slot in kind["slots"]}
                kind = {"kind": kind["kind"], "slots": slots, "clock": kind["clock"]}
            parameters.append(kind)
        self.optimizer.set_state(
            {"progress": config["progress"], "learning_rate": config["learning_rate"], "parameters": parameters},
            list(self.parameters.values()),
        )


def threads_for(n_rows: int, n_threads: int | None) -> int:
    """Threads that are worth starting for so many rows."""
    n_threads = usable_threads() if n_threads is None else n_threads
    return max(1, min(n_threads, n_rows // EXAMPLES_PER_THREAD))


def _share_state(one: Optimizer, other: Optimizer) -> bool:
    """Whether they differ, if at all, in the eps of Adagrad, which its sums of squares don't depend on."""
    return (
        isinstance(one, Adagrad) and isinstance(other, Adagrad) and one.config | {"eps": 0} == other.config | {"eps": 0}
    )
