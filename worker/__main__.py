"""`python -m worker` is the same command as `beeline`."""

from worker.cli import main

if __name__ == "__main__":
    main()
