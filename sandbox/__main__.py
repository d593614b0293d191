"""``python -m sandbox``."""

from sandbox.serve import main

if __name__ == "__main__":
    main()
