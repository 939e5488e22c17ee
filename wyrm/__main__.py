"""``python -m wyrm`` prints the configuration."""

from wyrm.config import show_config

show_config()
