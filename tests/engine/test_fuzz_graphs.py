"""Random graphs: forward against NumPy in float64, backward against differences, over batches that change."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import wyrm

COLS = [1, 2, 3]
BATCHES = st.lists(st.sampled_from([1, 2, 3, 7, 33]), min_size=1, max_size=3)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Graph:
    """Nodes of a graph, beside each what computes its value in NumPy; values stay of the size of one."""

    def __init__(self, draw):
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.table = wyrm.ParameterNode(self.rng.normal(size=(11, 3)), name="table")
        self.index = wyrm.IndexInputNode(np.zeros((1, 2), int), name="index")
        self.x = wyrm.InputNode(np.zeros((1, 3)), name="x")
        self.row = wyrm.ParameterNode(self.rng.normal(size=(1, 3)), name="row")
        self.square = wyrm.ParameterNode(self.rng.normal(size=(3, 3)), name="square")
        self.number = wyrm.ParameterNode(self.rng.normal(size=(1, 1)), name="number")
        self.feed(draw(st.sampled_from([1, 4])))
        live = lambda node: lambda: node.value.astype(float)  # noqa: E731
        rows = lambda: self.table.value.astype(float)[self.index.value].reshape(-1, 2, 3)  # noqa: E731
        # (node, reference, whether its rows are the batch's)
        self.nodes = [
            (self.row, live(self.row), False),
            (self.square, live(self.square), False),
            (self.number, live(self.number), False),
            (self.x, live(self.x), True),
            (self.table.embedding_bag(self.index), lambda: rows().sum(axis=1), True),
            (self.table.embedding_bag(self.index, mode="mean"), lambda: rows().mean(axis=1), True),
            (
                self.table.fm_interaction(self.index) * 0.2,
                lambda: 0.2 * (rows()[:, 0] * rows()[:, 1]).sum(1, keepdims=True),
                True,
            ),
        ]

    def feed(self, n):
        self.x.set_value(self.rng.normal(size=(n, 3)))
        self.index.set_value(self.rng.integers(11, size=(n, 2)))

    def pick(self):
        return self.draw(st.sampled_from(self.nodes))

    def grow(self):
        """Add one random operation on nodes there are."""
        (a, ref_a, batched_a), (b, ref_b, batched_b) = self.pick(), self.pick()
        kinds = ["tanh", "sigmoid", "softplus", "square", "softmax", "log_softmax", "negate", "clip", "column", "sum",
                 "mean", "mean of rows", "constant"]  # fmt: skip
        fits = batched_a == batched_b or not batched_a or not batched_b
        same = batched_a == batched_b and (batched_a or a.shape[0] == b.shape[0])
        rows_fit = same or (a.shape[0] == 1 and not batched_a) or (b.shape[0] == 1 and not batched_b)
        if fits and rows_fit and (a.shape[1] == b.shape[1] or 1 in (a.shape[1], b.shape[1])):
            kinds += ["add", "subtract", "multiply", "divide"] * 2
        if a.shape[1] == 3:
            kinds += ["product", "product with the transpose"]
        if same and a.shape[1] == b.shape[1]:
            kinds += ["vector_dot", "concatenate"]
        kind = self.draw(st.sampled_from(kinds))
        unary = {
            "tanh": (lambda: a.tanh(), lambda: np.tanh(ref_a())),
            "sigmoid": (lambda: a.sigmoid(), lambda: sigmoid(ref_a())),
            "softplus": (lambda: a.softplus(), lambda: np.logaddexp(ref_a(), 0)),
            "square": (lambda: a.tanh().square(), lambda: np.tanh(ref_a()) ** 2),
            "softmax": (lambda: a.softmax(), lambda: sigmoid_like(ref_a())),
            "log_softmax": (lambda: a.log_softmax(), lambda: np.log(sigmoid_like(ref_a()))),
            "negate": (lambda: -a, lambda: -ref_a()),
            "clip": (lambda: a.clip(-50, 50), lambda: np.clip(ref_a(), -50, 50)),
            "column": (lambda: a[:, -1], lambda: ref_a()[:, -1:]),
            "sum": (lambda: a.sum(axis=1), lambda: ref_a().sum(axis=1, keepdims=True)),
            "constant": (lambda: 1.5 - a * 0.5, lambda: 1.5 - ref_a() * 0.5),
            "add": (lambda: a + b, lambda: ref_a() + ref_b()),
            "subtract": (lambda: a - b, lambda: ref_a() - ref_b()),
            "multiply": (lambda: a * b.tanh(), lambda: ref_a() * np.tanh(ref_b())),
            "divide": (lambda: a / (b.tanh() + 2.0), lambda: ref_a() / (np.tanh(ref_b()) + 2)),
            "product": (lambda: a @ self.square * 0.5, lambda: 0.5 * ref_a() @ self.square.value),
            "product with the transpose": (lambda: a @ self.square.T, lambda: ref_a() @ self.square.value.T),
            "vector_dot": (lambda: wyrm.vector_dot(a, b.tanh()), lambda: rowwise(ref_a(), np.tanh(ref_b()))),
            "concatenate": (
                lambda: wyrm.concatenate([a, b, a], 1)[:, 0:3],
                lambda: np.hstack([ref_a(), ref_b(), ref_a()])[:, :3],
            ),
        }
        whole = {
            "mean": (lambda: a.mean(), lambda: np.array([[ref_a().mean()]])),
            "mean of rows": (lambda: a.mean(axis=0), lambda: ref_a().mean(axis=0, keepdims=True)),
        }
        if kind in whole:
            build, reference = whole[kind]
            batched = False
        else:
            build, reference = unary[kind]
            batched = batched_a or (batched_b and kind in ("add", "subtract", "multiply", "divide"))
        self.nodes.append((build(), reference, batched))


def sigmoid_like(x):
    shifted = np.exp(x - x.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def rowwise(a, b):
    return (a * b).sum(axis=1, keepdims=True)


def close(node, reference):
    node.forward()
    expected = reference()
    assert node.value.shape == expected.shape
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(node.value, expected, rtol=1e-4, atol=1e-4 * scale)


@settings(max_examples=60)
@given(st.data(), BATCHES)
def test_random_graphs(data, batches):
    graph = Graph(data.draw)
    for _ in range(data.draw(st.integers(1, 12))):
        graph.grow()
    node, reference, _ = graph.nodes[-1]
    inner, inner_reference, _ = graph.pick()
    first_inner = data.draw(st.booleans())
    loss = (node.tanh() * 1.25).sum() if data.draw(st.booleans()) else node.tanh().mean()
    for n in batches:
        graph.feed(n)
        order = [(inner, inner_reference), (node, reference)]
        for one, its_reference in order if first_inner else order[::-1]:
            close(one, its_reference)
        if loss.parameters():
            assert wyrm.check_gradients(loss, directions=1) < 1e-3


@settings(max_examples=25)
@given(st.data())
def test_graphs_rebuilt_over_what_is_left_of_others(data):
    graph = Graph(data.draw)
    for _ in range(data.draw(st.integers(2, 10))):
        graph.grow()
        graph.feed(data.draw(st.sampled_from([1, 3, 20])))
        node, reference, _ = graph.nodes[-1]
        close(node, reference)
        if data.draw(st.booleans()):  # forget some node that others may use
            graph.nodes.pop(data.draw(st.integers(0, len(graph.nodes) - 1)))
        node, reference, _ = graph.pick()
        close(node, reference)
