"""Tell what a saved model holds.

examples:
  wyrm info model
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from wyrm.io.saving import read_state

# Longer values of settings are cut.
WIDTH = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="what `wyrm fit` or wyrm.io.save wrote")


def run(options: argparse.Namespace) -> None:
    name, config, arrays = read_state(options.model, mmap=True)
    print(f"{options.model}: {name}, {Path(options.model).stat().st_size:,} bytes")
    _describe(config)
    if arrays:
        print("arrays")
    width = max((len(key) for key in arrays), default=0)
    for key, array in arrays.items():
        shape = " x ".join(f"{n:,}" for n in array.shape) or "a number"
        print(f"  {key:<{width}}  {array.dtype.name:<8}  {shape}")


def _describe(config: Any, indent: str = "") -> None:
    """Settings and state, a line each; of long lists their length."""
    for key, value in config.items() if isinstance(config, dict) else ():
        if isinstance(value, dict) and value:
            print(f"{indent}{key}")
            _describe(value, indent + "  ")
        else:
            text = repr(value)
            if len(text) > WIDTH:
                text = f"{len(value):,} values" if isinstance(value, list) else text[: WIDTH - 1] + "…"
            print(f"{indent}{key} = {text}")
