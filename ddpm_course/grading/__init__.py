"""Exercises that teach: a bank of tasks, each with the mistakes it knows, and what uses it.

``check`` is what a notebook calls. The bank is in ``tasks/``, one file a chapter; ``compose``
writes the solved notebooks from it, and ``release`` the exercises from those.
"""

from ddpm_course.grading.check import Wrong, check

__all__ = ["Wrong", "check"]
