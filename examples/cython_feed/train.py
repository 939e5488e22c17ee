"""Embeds the nodes of a graph with two communities, with the feed of walk_feed.pyx, on all cores."""

import numpy as np
import scipy.sparse
from walk_feed import WalkFeed

import wyrm
from wyrm.feeds import batches
from wyrm.nn.losses import bpr
from wyrm.optim import Adagrad

N = 400
rng = np.random.default_rng(0)

# Nodes 0 to 199 know each other, as do 200 to 399; few edges lead from one community to the other.
same = np.arange(N)[:, None] // 200 == np.arange(N) // 200
edges = rng.random((N, N)) < np.where(same, 0.05, 0.001)
graph = scipy.sparse.csr_matrix(np.triu(edges, 1) | np.triu(edges, 1).T)

nodes = wyrm.ParameterNode(rng.normal(0, 0.1, (N, 16)))
start, near, other = (wyrm.IndexInputNode(0) for _ in range(3))
rows = nodes.embedding(start)
loss = bpr(wyrm.vector_dot(rows, nodes.embedding(near)), wyrm.vector_dot(rows, nodes.embedding(other)))
feed = WalkFeed(graph, start=start, near=near, other=other)

# What the threads will see.
for batch in batches(feed, loss, batch_size=8, shuffle=True):
    print("walks from", *batch[start][0], "to", *batch[near][0])
    break

history = wyrm.Trainer(loss, Adagrad(0.1)).fit(feed, epochs=5)
print("loss", *(f"{x:.3f}" for x in history.loss))

scores = nodes.value @ nodes.value.T
right = scores[same].mean()
wrong = scores[~same].mean()
print(f"mean score within communities {right:.2f}, between them {wrong:.2f}")
assert right > wrong + 1
