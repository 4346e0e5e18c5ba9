"""``python -m rnnspike``."""

from rnnspike.cli.main import main

if __name__ == "__main__":
    main()
