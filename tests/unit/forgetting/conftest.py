"""A model's life with a subject in it."""

from tests.support.lived_subject import lived, world

__all__ = ["lived", "world"]
