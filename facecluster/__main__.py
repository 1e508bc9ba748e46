"""`python -m facecluster`: the command line without its console script."""

from facecluster.cli import main

if __name__ == "__main__":  # a spawned worker process imports this file again
    main()
