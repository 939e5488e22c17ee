"""What all tests share."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Under a sanitizer or on a busy machine an example may take any time.
settings.register_profile("wyrm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("wyrm")


class WithoutPolars:
    """Polars crashes at its import under the run-time library of ThreadSanitizer; tests with it are left out there."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "polars":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


if os.environ.get("WYRM_SANITIZE") == "thread":
    sys.meta_path.insert(0, WithoutPolars())


@pytest.fixture(scope="session")
def data_dir():
    """The folder of real data; a test that needs a file there is marked ``data``."""
    folder = os.environ.get("WYRM_DATA_DIR")
    if not folder:
        pytest.skip("WYRM_DATA_DIR is not set")
    return Path(folder)
