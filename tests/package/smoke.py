"""Run against an installed wheel or sdist, away from the checkout: build, train, look up, save and load a model."""

import tempfile
from pathlib import Path

import numpy as np

import wyrm
import wyrm.io
from wyrm.cli.main import main
from wyrm.models import FactorizationMachineClassifier
from wyrm.optim import SGD, Adagrad
from wyrm.preprocessing import CategoryEncoder, TableModel

rng = np.random.default_rng(0)

# A regression.
slope = wyrm.ParameterNode(rng.random((1, 1)))
intercept = wyrm.ParameterNode(rng.random((1, 1)))
x = wyrm.InputNode(np.zeros((1, 1)))
y = wyrm.InputNode(np.zeros((1, 1)))
loss = (y - (slope * x + intercept)).square()
optimizer = SGD(learning_rate=0.1)
for value in rng.random(2_000):
    x.set_value(value)
    y.set_value(3.0 * value + 5.0)
    loss.forward()
    loss.backward(1.0)
    optimizer.step(loss.parameters())
assert np.allclose([slope.value.item(), intercept.value.item()], [3.0, 5.0], atol=1e-2), (slope.value, intercept.value)

# A lookup: rows that were not touched stay as they were.
table = wyrm.ParameterNode(rng.random((100, 8)))
before = np.array(table.value)
rows = wyrm.IndexInputNode([3, 7])
loss = wyrm.embedding(table, rows).square().sum()
loss.forward()
loss.backward()
Adagrad(learning_rate=0.1).step(loss.parameters())
changed = np.flatnonzero((np.array(table.value) != before).any(axis=1))
assert changed.tolist() == [3, 7], changed

# A model of a table, saved and loaded.
table = {"colour": rng.choice(["red", "blue"], 500), "size": rng.random(500)}
bought = (table["colour"] == "red") & (table["size"] > 0.5)
encoder = CategoryEncoder()
model = FactorizationMachineClassifier(random_state=0).fit(encoder.fit_transform(table), bought)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "model"
    TableModel(encoder, model).save(path)
    assert (wyrm.io.load(path).predict(table) == bought).mean() > 0.95
    assert main(["info", str(path)]) == 0

assert "site-packages" in Path(wyrm.__file__).parts, f"{wyrm.__file__} is not the installed package"
wyrm.show_config()
print("smoke test passed")
