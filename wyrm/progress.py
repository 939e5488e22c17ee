"""Progress of long work, as a tqdm bar or not at all."""

from contextlib import contextmanager

from tqdm.auto import tqdm


class _Bar:
    def __init__(self, bar):
        self._bar = bar

    def advance_to(self, done):
        self._bar.update(done - self._bar.n)

    def finish(self, history):
        text = f"loss {history.loss[-1]:.5f}"
        if history.validation_loss:
            text += f", validation {history.validation_loss[-1]:.5f}"
        self._bar.set_postfix_str(text)


class _NoBar:
    def advance_to(self, done):
        pass

    def finish(self, history):
        pass


@contextmanager
def progress_bar(total, description, verbose, unit="examples"):
    """A bar over `total` of what is counted (-1: unknown) that stays on screen; silent unless verbose."""
    if not verbose:
        yield _NoBar()
        return
    with tqdm(total=total if total >= 0 else None, desc=description, unit=f" {unit}", unit_scale=True) as bar:
        yield _Bar(bar)
