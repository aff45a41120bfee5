"""``python -m planted`` and the command ``planted``."""

from planted._shell import main

if __name__ == "__main__":
    main()
