"""`python -m harness`, and the command `harness`."""

import sys

from harness.common.own_packages import leave_current_folder, require_own_packages


def main() -> None:
    """Run the command line, with our own packages and no others of their names."""
    leave_current_folder()
    try:
        require_own_packages()
    except ImportError as error:
        sys.exit(f"harness: {error}")
    from harness.cli import main as run

    run()


if __name__ == "__main__":
    main()
