"""A spec file for catalogs of models: the least that is one. Its name is put in by `.format(name=...)`."""

SPEC = """
from datetime import date
from include.core.spec import ModelSpec

SPEC = ModelSpec(
    name="{name}", owner="me", description="-", label="late", data=dict(sources=("a",), first=date(2013, 1, 1)),
    features=dict(build="m:b", entities="m:e", labels="m:l", views=(), request=(dict(name="x"),)),
    expectations="m:E", training=dict(fit="m:f"),
)
"""
