"""``python -m mi_analysis`` is the command `mi`."""

from mi_analysis.cli import main

if __name__ == "__main__":
    main()
