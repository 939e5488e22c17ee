"""The README's Python examples run, one after the other as a reader would type them."""

import re

import numpy as np


def test_examples_run(root):
    blocks = re.findall(r"^```python\n(.*?)^```", (root / "README.md").read_text(encoding="utf-8"), re.S | re.M)
    assert len(blocks) >= 2
    np.random.seed(0)  # noqa: NPY002 (the examples use it)
    names = {"__name__": "readme"}
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"README.md, example {number}", "exec"), names)
    assert np.allclose(names["slope"].value, 3.0, atol=0.05)
    assert np.allclose(names["intercept"].value, 5.0, atol=0.05)
    assert names["history"].loss[-1] < 0.01


def test_links_lead_somewhere(root, project_files):
    for page in (path for path in project_files if path.suffix == ".md"):
        for target in re.findall(r"\]\(([^)\s#]+)", (root / page).read_text(encoding="utf-8")):
            if "://" not in target:
                assert (root / page.parent / target).exists(), f"{page} links to {target}"
