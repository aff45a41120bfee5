"""``python -m planted`` and the command ``planted``."""

from planted._cli import main

if __name__ == "__main__":
    main()
