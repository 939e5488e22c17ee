"""What all tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Under a sanitizer or on a busy machine an example may take any time.
settings.register_profile("wyrm", deadline=None)
settings.load_profile("wyrm")


@pytest.fixture(scope="session")
def data_dir():
    """The folder of real data; a test that needs a file there is marked ``data``."""
    folder = os.environ.get("WYRM_DATA_DIR")
    if not folder:
        pytest.skip("WYRM_DATA_DIR is not set")
    return Path(folder)
