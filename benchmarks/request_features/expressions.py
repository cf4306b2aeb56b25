"""The features of a fraud score as their author writes them, and one expression of each operator and function on the list."""

from __future__ import annotations

from include.core.errors import SpecError
from include.core.spec import Feature, Features, View

FRAUD = Features(
    views=(
        View(
            name="customer",
            keys=("customer",),
            features=(
                Feature(name="mean_amount_7d", default=35.0), Feature(name="sd_amount_7d", default=20.0),
                Feature(name="payments_7d", dtype="int", default=0), Feature(name="home_country", dtype="category"),
                Feature(name="home_lat"), Feature(name="home_lon"),
            ),
        ),
    ),
    request=(
        Feature(name="amount"),
        Feature(name="log_amount", expression="ln(1 + greatest(amount, 0))"),
        Feature(name="amount_ratio", default=1.0, expression="amount / nullif(mean_amount_7d, 0)"),
        Feature(name="amount_z", default=0.0, expression="(amount - mean_amount_7d) / greatest(sd_amount_7d, 0.01)"),
        Feature(name="hour", dtype="int", expression="hour(event_timestamp)"),
        Feature(name="at_night", dtype="bool", expression="hour < 6 OR hour >= 23"),
        Feature(name="abroad", dtype="bool", expression="country <> home_country"),
        Feature(name="route", dtype="category", expression="coalesce(home_country, '?') || '>' || country"),
        Feature(
            name="km_from_home",
            expression="12742 * asin(sqrt(sin(radians(lat - home_lat) / 2) ** 2 + cos(radians(home_lat)) * cos(radians(lat)) "
            "* sin(radians(lon - home_lon) / 2) ** 2))",
        ),
        Feature(
            name="risk", dtype="int",
            expression="CASE WHEN payments_7d = 0 THEN 3 WHEN amount_ratio > 5 AND at_night THEN 2 WHEN abroad THEN 1 ELSE 0 END",
        ),
    ),
    request_fields=(Feature(name="country", dtype="category"), Feature(name="lat"), Feature(name="lon")),
)  # fmt: skip

READ = (
    Feature(name="i", dtype="int"), Feature(name="j", dtype="int", default=3), Feature(name="b", dtype="bool"),
    Feature(name="s", dtype="category"), Feature(name="t", dtype="text", default="x"),
)  # fmt: skip
LOOKED_UP = View(name="v", keys=("k",), features=(Feature(name="f"), Feature(name="g", default=2.0)))
_TEXT = """
f + g; f - g; f * g; f / g; f % g; f ** g; f ^ 2; i + j; i - j; i * j; i // j; i % j; i / j; i * f; -f; -i; abs(f); abs(i)
sign(f); sign(i); floor(f); ceil(f); round(f); round(f, 2); round(f, 7); sqrt(f); exp(f); ln(f); log(f); log2(f); log10(i)
sin(f); cos(f); tan(f); asin(f); acos(f); atan(f); atan2(f, g); radians(f); degrees(f); pi() * f
f = g; f <> g; f < g; f <= g; f > g; f >= g; i < f; s < t; s = t; s >= 'B'; b = true; b AND f > g; b OR f > g; NOT b
f IS NULL; s IS NOT NULL; f / g IS DISTINCT FROM g / f; f IS NOT DISTINCT FROM g; s IS DISTINCT FROM t
f IN (1, g, 0.5); i IN (1, 2, j); s IN ('a', 'JFK'); s NOT IN ('a', t); f BETWEEN g AND 10; i NOT BETWEEN -5 AND j
coalesce(f, g, 1); coalesce(s, t); nullif(f, g); nullif(i, 1); nullif(f / g, g / f); greatest(f, g, 0); least(f / g, g / f)
CASE WHEN f > 0 THEN ln(f) WHEN i > 0 THEN i ELSE -1 END; CASE i WHEN 1 THEN 2 WHEN j THEN 3 END; if(b, 1, f)
s || '_' || t; length(s); contains(s, t); starts_with(s, 'a'); ends_with(s, t); left(s, 1); right(s, 2); right(s, 0)
substring(s, 2, 3); f::BIGINT; (f * g)::BIGINT; i::DOUBLE; b::BIGINT; b::DOUBLE; i::BOOLEAN; i::VARCHAR; b::VARCHAR
second(event_timestamp); minute(event_timestamp); hour(event_timestamp); day(event_timestamp); month(event_timestamp)
year(event_timestamp); quarter(event_timestamp); dayofweek(event_timestamp); isodow(event_timestamp)
dayofyear(event_timestamp); week(event_timestamp); epoch(event_timestamp); date_part('doy', event_timestamp)
(f > g) IS NULL; (f * 1e300 * g) - (f * 1e300 * g); i // 0; length(s || t) * i
"""
LISTED = tuple(each.strip() for each in _TEXT.replace("\n", ";").split(";") if each.strip())
KINDS = ("float", "int", "bool", "category")


def listed() -> Features:
    """All of them as one model's, each of the first dtype that fits."""
    made = tuple(_of_some_kind(f"out_{place}", expression) for place, expression in enumerate(LISTED))
    return Features(views=(LOOKED_UP,), request=made, request_fields=READ)


def _of_some_kind(name: str, expression: str) -> Feature:
    for dtype in KINDS:
        feature = Feature(name=name, dtype=dtype, expression=expression)
        try:
            Features(views=(LOOKED_UP,), request=(feature,), request_fields=READ)
        except SpecError as error:
            problem = error
        else:
            return feature
    raise problem
