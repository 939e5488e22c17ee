"""What came of a pass over a feed: sums, or the error that ended it."""

from wyrm.errors import describe
from wyrm.feeds.base cimport Feed
from wyrm.kernels.table cimport dim_t
from wyrm.node cimport OperatorNode, refuse_status
from wyrm.sync cimport wyrm_load
from wyrm.worker cimport NOT_BY_EXAMPLE, NOT_FINITE, PREDICT, TRAIN, Worker


def outcome_of(OperatorNode root, list workers, list runners, Feed feed, trainer):
    """The summed loss of the workers and their number of examples; raises what stopped one of them."""
    cdef Worker worker
    cdef double loss = 0.0
    cdef dim_t examples = 0
    for runner in runners:
        if runner.error is not None:
            raise runner.error
    for worker in workers:
        loss += worker.loss
        examples += worker.examples
    for worker in workers:
        if worker.status == NOT_FINITE:
            after = "" if worker.kind == TRAIN else " of evaluation"
            raise_not_finite(f"the loss became NaN or infinite after {examples} examples{after}", trainer)
        if worker.status == NOT_BY_EXAMPLE:
            raise ValueError(f"Trainer.predict: expected a node with one row per example, got {describe(root)}")
        if worker.status == -1:
            raise MemoryError("no memory for a batch")
        if worker.status:
            refuse_status(root, worker.replica.tape.failed, worker.status)
    worker = workers[0]
    if examples == 0 and worker.kind != PREDICT and not feed.by_chance and not wyrm_load(&worker.control.control.stop):
        raise ValueError(f"feed: expected at least one example, but this {type(feed).__name__} left all of them out")
    return loss, examples


def raise_not_finite(what, trainer):
    """Raise FloatingPointError with the likely causes."""
    raise FloatingPointError(f"{what}. Likely causes: a learning rate that is too high ({trainer.optimizer!r}), or "
                             f"values in the feed that are too large: scale them to about 1")
