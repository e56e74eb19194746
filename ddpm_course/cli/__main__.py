"""``python -m ddpm_course.cli`` is ``ddpm-course``, for launchers that start modules."""

import sys

from ddpm_course.cli import main

if __name__ == "__main__":
    sys.exit(main())
