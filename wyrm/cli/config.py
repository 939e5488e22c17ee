"""Print version, instruction set, BLAS, threads and how wyrm was built."""

from __future__ import annotations

import argparse

from wyrm.config import show_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none."""


def run(options: argparse.Namespace) -> None:
    show_config()
