"""`python -m boiler_functions` is `boiler`, for where the console script is not on PATH."""

from boiler_functions.cli import main

if __name__ == "__main__":
    main()
