"""python -m ngxloop: the command ngxloop-serve."""

from ngxloop.cli import main

if __name__ == "__main__":
    main()
