"""``python -m wyrm`` and the command ``wyrm``: print the configuration."""

from wyrm.config import show_config


def main() -> None:
    show_config()


if __name__ == "__main__":
    main()
