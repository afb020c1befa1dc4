"""`python -m portal --version`; anything else is a management command."""

import os
import sys

from portal import __version__

if __name__ == "__main__":
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"portal {__version__}\n")
        sys.exit()
    from django.core.management import execute_from_command_line

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    execute_from_command_line(sys.argv)
