"""The graphs whose speed is measured: data for them, the loop that drives them from Python, a reference, their work.

Bytes and flops of a step are those that the arithmetic needs, counted by hand: rows read and written once each, with
the state of the optimiser; a multiplication or an addition as one flop, a division or a root as one as well.
"""

import numpy as np
from limits import STATE, Access

import wyrm
from wyrm.feeds import ArrayFeed
from wyrm.nn.losses import logistic, squared_error
from wyrm.optim import SGD, Adagrad

N_FIELDS = 39  # values per row, as Criteo has
DRIVEN = 20_000  # of the examples, those that are also there as Python objects
UPDATE_FLOPS = {"SGD": 2, "Adagrad": 6}  # per weight


class Rows:
    """Some rows of a parameter in float64, updated as the textbook says: what the engine must agree with."""

    def __init__(self, node, rows, optimizer):
        self.node = node
        self.rows = np.unique(rows)
        self.values = np.array(node.value[self.rows], dtype=np.float64)
        self.sums = np.zeros_like(self.values)
        self.rate = optimizer.learning_rate
        self.adaptive = isinstance(optimizer, Adagrad)

    def __getitem__(self, rows):
        return self.values[np.searchsorted(self.rows, rows)].copy()

    def step(self, rows, gradient):
        at = np.searchsorted(self.rows, rows)
        if self.adaptive:
            self.sums[at] += np.square(gradient)
            gradient = gradient / (np.sqrt(self.sums[at]) + 1e-10)
        self.values[at] -= self.rate * gradient

    def check(self, found=None, rtol=1e-4, atol=1e-6):
        found = self.node.value if found is None else found
        np.testing.assert_allclose(found[self.rows], self.values, rtol=rtol, atol=atol)


class Step:
    """A graph, n examples for its inputs, and an optimiser.

    Subclasses set `arrays` (by input node, what a feed takes), `loss`, `optimizer`, and `bytes` and `flops` of a step.
    Their `run(n)` drives the first n <= DRIVEN steps from Python as a user would write it; `reference(n)` returns the
    touched rows of each parameter as they should be after these steps.
    """

    batch_size = 1
    product_flops = None  # of all examples, where small products are a good part of the work

    def feed(self, n):
        """A feed over the examples of the first n steps."""
        return ArrayFeed({node: array[: n * self.batch_size] for node, array in self.arrays.items()})

    def trainer(self, n_threads=1):
        return wyrm.Trainer(self.loss, self.optimizer, n_threads=n_threads, batch_size=self.batch_size)

    def training(self, n_threads=1):
        """A call that trains on all examples once, and how many they are."""
        n = len(next(iter(self.arrays.values()))) // self.batch_size
        trainer, feed = self.trainer(n_threads), self.feed(n)
        return lambda: trainer.partial_fit(feed), n

    def accesses(self):
        """The rows of tables that its examples touch, for the limits of the machine."""
        raise NotImplementedError

    def check(self, drive, n):
        """Drive the first n steps somehow, and compare what was learnt with the reference."""
        expected = self.reference(n)
        drive(n)
        for rows in expected:
            rows.check()

    @property
    def rule(self):
        return type(self.optimizer).__name__


class Regression(Step):
    """y = w x + b, by SGD."""

    def __init__(self, batch_size=1, n=20_000):
        rng = np.random.default_rng(0)
        x = rng.random((n * batch_size, 1), dtype=np.float32)
        y = 3 * x + 5
        self.batch_size = batch_size
        self.w, self.b = wyrm.ParameterNode([[0.5]]), wyrm.ParameterNode([[0.25]])
        self.x, self.y = wyrm.InputNode(x[:batch_size]), wyrm.InputNode(y[:batch_size])
        self.loss = (self.y - (self.w * self.x + self.b)).square()
        self.optimizer = SGD(0.1)
        self.arrays = {self.x: x, self.y: y}
        self.bytes = 8 * batch_size + 16
        self.flops = 10 * batch_size + 4
        if batch_size == 1:
            self.steps = list(zip(x[:DRIVEN, 0].tolist(), y[:DRIVEN, 0].tolist()))
        else:
            self.steps = list(zip(x.reshape(n, batch_size, 1)[:DRIVEN], y.reshape(n, batch_size, 1)[:DRIVEN]))

    def run(self, n):
        x, y, loss, optimizer, weight = self.x, self.y, self.loss, self.optimizer, 1 / self.batch_size
        for x_value, y_value in self.steps[:n]:
            x.set_value(x_value)
            y.set_value(y_value)
            loss.forward()
            loss.backward(weight)
            optimizer.step(loss.parameters())

    def reference(self, n):
        w, b = Rows(self.w, [0], self.optimizer), Rows(self.b, [0], self.optimizer)
        xs, ys = (array.reshape(-1, self.batch_size).astype(np.float64) for array in self.arrays.values())
        for x, y in zip(xs[:n], ys[:n]):
            error = w[0] * x + b[0] - y
            w.step([0], np.mean(2 * error * x))
            b.step([0], np.mean(2 * error))
        return [w, b]


class Factorisation(Step):
    """The entry of a matrix as the product of two rows."""

    def __init__(self, n_rows=10_000, rule="SGD", dim=32, n=20_000, among=None):
        rng = np.random.default_rng(0)
        among = n_rows if among is None else among  # the rows that examples are drawn from: the first so many
        self.u, self.v = (
            wyrm.ParameterNode(0.3 * rng.standard_normal((n_rows, dim), dtype=np.float32)) for _ in range(2)
        )
        self.i, self.j, self.y = wyrm.IndexInputNode(0), wyrm.IndexInputNode(0), wyrm.InputNode(0.0)
        self.optimizer = {"SGD": SGD, "Adagrad": Adagrad}[rule](0.01)
        i, j = rng.integers(0, among, (2, n), dtype=np.int32)
        y = rng.random((n, 1), dtype=np.float32)
        self.arrays = {self.i: i, self.j: j, self.y: y}
        self.steps = list(zip(i[:DRIVEN].tolist(), j[:DRIVEN].tolist(), y[:DRIVEN, 0].tolist()))
        self.loss = self.build()
        self.bytes = 2 * 2 * dim * 4 * (1 + STATE[rule]) + 12
        self.flops = 2 * dim * (2 + UPDATE_FLOPS[rule])

    def accesses(self):
        return [
            Access(*node.shape, self.arrays[index][:, None]) for node, index in ((self.u, self.i), (self.v, self.j))
        ]

    def build(self):
        return squared_error(wyrm.vector_dot(self.u.embedding(self.i), self.v.embedding(self.j)), self.y)

    def run(self, n):
        i, j, y, loss, optimizer = self.i, self.j, self.y, self.loss, self.optimizer
        for row, column, value in self.steps[:n]:
            i.set_value(row)
            j.set_value(column)
            y.set_value(value)
            loss.forward()
            loss.backward()
            optimizer.step(loss.parameters())

    def run_rebuilding(self, n):
        """The same with a new graph for every step."""
        i, j, y, optimizer = self.i, self.j, self.y, self.optimizer
        for row, column, value in self.steps[:n]:
            i.set_value(row)
            j.set_value(column)
            y.set_value(value)
            loss = self.build()
            loss.forward()
            loss.backward()
            optimizer.step(loss.parameters())

    def reference(self, n):
        i, j, y = (array[:n] for array in self.arrays.values())
        u, v = Rows(self.u, i, self.optimizer), Rows(self.v, j, self.optimizer)
        for row, column, value in zip(i, j, y[:, 0]):
            a, b = u[row], v[column]
            error = 2 * (a @ b - value)
            u.step(row, error * b)
            v.step(column, error * a)
        return [u, v]


class Linear(Step):
    """Logistic regression on 39 of many rows; with factors, a factorisation machine with bias and linear part."""

    def __init__(self, n_rows=100_000, n_factors=0, rule="SGD", n=10_000):
        rng = np.random.default_rng(0)
        self.rows, self.y = wyrm.IndexInputNode(np.arange(N_FIELDS)), wyrm.InputNode(0.0)
        self.loss, self.w, self.b, self.factors = linear_graph(self.rows, self.y, n_rows, n_factors, rng)
        self.optimizer = {"SGD": SGD, "Adagrad": Adagrad}[rule](0.01)
        rows = one_per_field(rng, n, n_rows)
        y = rng.integers(0, 2, (n, 1)).astype(np.float32)
        self.arrays = {self.rows: rows, self.y: y}
        self.steps = list(zip(rows[:DRIVEN], y[:DRIVEN, 0].tolist()))
        weights = N_FIELDS * (1 + n_factors) + 1
        self.bytes = weights * 2 * 4 * (1 + STATE[rule]) + 4 * N_FIELDS + 4
        self.flops = weights * UPDATE_FLOPS[rule] + N_FIELDS * (1 + 5 * n_factors) + 10

    def accesses(self):
        tables = [self.w] if self.factors is None else [self.w, self.factors]
        return [Access(*node.shape, self.arrays[self.rows]) for node in tables]

    def run(self, n):
        rows, y, loss, optimizer = self.rows, self.y, self.loss, self.optimizer
        for values, target in self.steps[:n]:
            rows.set_value(values)
            y.set_value(target)
            loss.forward()
            loss.backward()
            optimizer.step(loss.parameters())

    def reference(self, n):
        rows, y = (array[:n] for array in self.arrays.values())
        w, b = Rows(self.w, rows, self.optimizer), Rows(self.b, [0], self.optimizer)
        v = None if self.factors is None else Rows(self.factors, rows, self.optimizer)
        for touched, target in zip(rows, y[:, 0]):
            z = w[touched].sum() + b[0]
            if v is not None:
                factors = v[touched]
                total = factors.sum(axis=0)
                z = z + (total @ total - np.square(factors).sum()) / 2
            gradient = 1 / (1 + np.exp(-z)) - target
            w.step(touched, np.broadcast_to(gradient, (N_FIELDS, 1)))
            b.step([0], gradient)
            if v is not None:
                v.step(touched, gradient * (total - factors))
        return [w, b] if v is None else [w, b, v]


def linear_graph(rows, y, n_rows, n_factors, rng, scale=0.1):
    """The log loss of a bag of rows: its node, weights, bias, and factors of this scale (or None)."""
    w, b = wyrm.ParameterNode(np.zeros((n_rows, 1), dtype=np.float32)), wyrm.ParameterNode([[0.0]])
    logits = w.embedding_bag(rows) + b
    factors = None
    if n_factors:
        factors = wyrm.ParameterNode(scale * rng.standard_normal((n_rows, n_factors), dtype=np.float32))
        logits = logits + factors.fm_interaction(rows)
    return logistic(logits, y), w, b, factors


class FieldAware(Step):
    """The second-order term of a field-aware factorisation machine, 39 fields with a value each."""

    def __init__(self, n_rows=10_000, n_factors=4, rule="Adagrad", n=10_000):
        rng = np.random.default_rng(0)
        self.n_factors = n_factors
        rows = one_per_field(rng, n, n_rows)
        y = rng.integers(0, 2, (n, 1)).astype(np.float32)
        size = n_rows // N_FIELDS
        fields = np.minimum(np.arange(n_rows) // size, N_FIELDS - 1)
        self.table = wyrm.ParameterNode(0.1 * rng.standard_normal((n_rows, N_FIELDS * n_factors), dtype=np.float32))
        self.rows, self.y = wyrm.IndexInputNode(rows[0]), wyrm.InputNode(0.0)
        logits = wyrm.field_aware_interaction(self.table, self.rows, fields, n_fields=N_FIELDS)
        self.loss = logistic(logits, self.y)
        self.optimizer = {"SGD": SGD, "Adagrad": Adagrad}[rule](0.01)
        self.arrays = {self.rows: rows, self.y: y}
        weights = N_FIELDS * (N_FIELDS - 1) * n_factors
        self.bytes = weights * 2 * 4 * (1 + STATE[rule]) + 4 * N_FIELDS + 4
        self.flops = weights * (UPDATE_FLOPS[rule] + 2) + 10

    def accesses(self):
        return [Access(*self.table.shape, self.arrays[self.rows])]

    def reference(self, n):
        rows, y = (array[:n] for array in self.arrays.values())
        table = Rows(self.table, rows, self.optimizer)
        for touched, target in zip(rows, y[:, 0]):
            v = table[touched].reshape(N_FIELDS, N_FIELDS, self.n_factors)  # value, field, factor
            other = v.transpose(1, 0, 2)  # v[j, f_i]
            products = (v * other).sum(axis=2)
            z = (products.sum() - np.trace(products)) / 2
            gradient = (1 / (1 + np.exp(-z)) - target) * other
            gradient[np.arange(N_FIELDS), np.arange(N_FIELDS)] = 0  # no value meets its own field
            table.step(touched, gradient.reshape(N_FIELDS, -1))
        return [table]


class Product:
    """A row times a matrix, used four times: v = x @ y, v + v + v + v; no inputs and no optimiser."""

    def __init__(self, dim=128, cols=10):
        rng = np.random.default_rng(0)
        self.x = wyrm.ParameterNode(rng.standard_normal((1, dim), dtype=np.float32))
        self.y = wyrm.ParameterNode(rng.standard_normal((dim, cols), dtype=np.float32))
        v = self.x @ self.y
        self.loss = v + v + v + v
        self.bytes = 4 * (2 * dim * cols + 2 * dim + cols)
        self.flops = 3 * 2 * dim * cols

    def run(self, n):
        loss = self.loss
        for _ in range(n):
            loss.forward()
            loss.backward()
            loss.zero_gradients()

    def check(self):
        loss, x, y = self.loss, self.x, self.y
        loss.forward()
        loss.backward()
        x_value, y_value = x.value.astype(np.float64), y.value.astype(np.float64)
        np.testing.assert_allclose(loss.value, 4 * x_value @ y_value, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(x.gradient, 4 * y_value.sum(axis=1)[None], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(y.gradient, np.repeat(4 * x_value.T, y.shape[1], axis=1), rtol=1e-4, atol=1e-4)
        loss.zero_gradients()


def one_per_field(rng, n, n_rows):
    """Row numbers of shape (n, 39), each field with a part of the table: ascending and distinct."""
    size = n_rows // N_FIELDS
    return rng.integers(0, size, (n, N_FIELDS), dtype=np.int32) + np.arange(0, size * N_FIELDS, size, dtype=np.int32)
