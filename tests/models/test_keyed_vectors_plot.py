"""Pictures of vectors."""

import sys

import numpy as np
import pytest

from wyrm.models import KeyedVectors
from wyrm.models.vector_plot import project


@pytest.fixture
def wv():
    vectors = np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32)
    return KeyedVectors.from_arrays([f"w{i}" for i in range(60)], vectors)


class TestProjection:
    def test_keeps_what_lies_in_a_plane(self):
        rng = np.random.default_rng(0)
        angles = rng.uniform(0, 2 * np.pi, 30)
        circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        frame = np.linalg.qr(rng.standard_normal((6, 2)))[0]
        plane = project(3 * circle @ frame.T)
        for i in range(30):
            expected = np.linalg.norm(circle - circle[i], axis=1)
            np.testing.assert_allclose(np.linalg.norm(plane - plane[i], axis=1), expected, atol=1e-9)

    def test_most_of_the_variance_comes_first(self):
        points = np.random.default_rng(0).standard_normal((50, 9)) * [5, 3, *[1] * 7]
        units = points / np.linalg.norm(points, axis=1, keepdims=True)
        values = np.sort(np.linalg.eigvalsh(np.cov(units.T)))[::-1]
        np.testing.assert_allclose(project(points).var(axis=0, ddof=1), values[:2], rtol=1e-9)
        np.testing.assert_allclose(project(points), project(10 * points), atol=1e-12)

    def test_two_points_have_one_direction(self):
        points = np.random.default_rng(0).standard_normal((2, 16))
        assert (project(points)[:, 1] == 0).all()

    @pytest.mark.parametrize("points", [np.zeros((3, 4)), np.ones((1, 4)), np.ones((4, 1))])
    def test_without_a_direction(self, points):
        np.testing.assert_allclose(project(points), np.zeros((len(points), 2)), atol=1e-15)


class TestPlot:
    @pytest.fixture(autouse=True)
    def no_windows(self):
        matplotlib = pytest.importorskip("matplotlib")
        matplotlib.use("Agg")
        yield
        matplotlib.pyplot.close("all")

    def test_each_key_has_a_point_and_a_label(self, wv):
        ax = wv.plot(["w3", "w5", "w3", 7])
        assert [text.get_text() for text in ax.texts] == ["w3", "w5", "7"]
        np.testing.assert_allclose(ax.collections[0].get_offsets(), project(wv[["w3", "w5", 7]]))
        np.testing.assert_allclose([text.xy for text in ax.texts], ax.collections[0].get_offsets())

    def test_labels_keep_apart(self, wv):
        from matplotlib.text import Text

        ax = wv.plot()
        assert len(ax.texts) == 50
        ax.figure.canvas.draw()
        boxes = [Text.get_window_extent(text) for text in ax.texts]
        touching = sum(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        assert touching < 10

    def test_on_axes_of_the_user(self, wv):
        import matplotlib.pyplot as plt

        _, ax = plt.subplots()
        assert wv.plot(["w1", "w2"], ax=ax, annotate=False) is ax
        assert not ax.texts

    def test_what_does_not_fit(self, wv):
        with pytest.raises(KeyError, match="nothing"):
            wv.plot(["nothing"])
        with pytest.raises(ValueError, match="expected keys"):
            wv.plot([])


def test_without_matplotlib(wv, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        wv.plot(["w1"])


def test_keys_are_no_formulas(tmp_path):
    pytest.importorskip("matplotlib").use("Agg")
    names = ["$x$", "$\\nosuch{$", "a_b^{", "\\"]
    axes = KeyedVectors.from_arrays(names, np.eye(4)).plot()
    axes.figure.savefig(tmp_path / "plot.png")
    assert [text.get_text() for text in axes.texts] == names
    assert not any(text.get_parse_math() for text in axes.texts)
