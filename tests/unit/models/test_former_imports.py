"""What a model that was written for 0.1 imports is still found where it was."""

from __future__ import annotations

from importlib import import_module

import pytest


@pytest.mark.parametrize(
    ("former", "present", "name"),
    [
        ("include.validation.expectation", "include.row_rules.expectation", "Expectation"),
        ("include.backends.ray_train", "include.backends.ray.train", "fit_lightning"),
        ("include.backends.sklearn_export", "include.backends.sklearn.export", "export_classifier"),
    ],
)
def test_an_authors_import_of_before_leads_to_the_same_object(former: str, present: str, name: str) -> None:
    assert getattr(import_module(former), name) is getattr(import_module(present), name)
