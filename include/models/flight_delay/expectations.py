"""What the raw sources and the training set must look like.

Real 2013 flights set the bounds: a blizzard (2013-02-09: 1 flight in 3 landed, pressures of 980) is data,
not an error. What no flight can be (unknown airport, negative distance, a landing without a delay) is.
"""

from include.row_rules.expectation import Expectation, Suite, columns

ORIGINS = ["EWR", "JFK", "LGA"]


def _keys(*names: str) -> tuple[Expectation, ...]:
    return tuple(Expectation("ExpectColumnValuesToNotBeNull", column=name, on_failure="quarantine") for name in names)


def _between(column: str, low: float, high: float) -> Expectation:
    return Expectation("ExpectColumnValuesToBeBetween", column=column, min_value=low, max_value=high, on_failure="quarantine")


def _matches(column: str, regex: str) -> Expectation:
    return Expectation("ExpectColumnValuesToMatchRegex", column=column, regex=regex, on_failure="quarantine")


ORIGIN = Expectation("ExpectColumnValuesToBeInSet", column="origin", value_set=ORIGINS, on_failure="quarantine")
CARRIER = _matches("carrier", "^[A-Z0-9]{2}$")
DESTINATION = _matches("dest", "^[A-Z]{3}$")
FLIGHT_ONCE = Expectation("ExpectColumnValuesToBeUnique", column="flight_id", on_failure="quarantine")

FLIGHTS = (
    *columns(flight_id="text", carrier="text", flight="integer", origin="text", dest="text", tailnum="text"),
    *columns(sched_dep="timestamp", distance="number"),
    *_keys("flight_id", "carrier", "origin", "dest", "sched_dep", "distance"),
    FLIGHT_ONCE, ORIGIN, CARRIER, DESTINATION,
    _between("distance", 1, 6000),
    Expectation("ExpectColumnProportionOfNonNullValuesToBeBetween", column="tailnum", min_value=0.5, on_failure="warn"),
    Expectation("ExpectTableRowCountToBeBetween", min_value=200, max_value=3000, on_failure="warn"),
)  # fmt: skip

LANDINGS = (
    *columns(flight_id="text", carrier="text", origin="text", dest="text", tailnum="text", landed_at="timestamp"),
    *columns(arr_delay="number", dep_delay="number", air_time="number"),
    *_keys("flight_id", "carrier", "origin", "dest", "landed_at", "arr_delay"),
    FLIGHT_ONCE, ORIGIN, CARRIER, DESTINATION,
    _between("arr_delay", -180, 2880),
    _between("dep_delay", -180, 2880),
    _between("air_time", 1, 1200),
)  # fmt: skip

WEATHER = (
    *columns(origin="text", observed_at="timestamp", temp="number", dewp="number", humid="number", wind_dir="number"),
    *columns(wind_speed="number", wind_gust="number", precip="number", pressure="number", visib="number"),
    *_keys("origin", "observed_at"),
    ORIGIN,
    Expectation("ExpectCompoundColumnsToBeUnique", column_list=["origin", "observed_at"], on_failure="quarantine"),
    _between("temp", -40, 130),  # degrees Fahrenheit
    _between("humid", 0, 100),
    _between("wind_speed", 0, 200),  # miles an hour: one row of 2013 says 1,048
    _between("pressure", 900, 1100),
    _between("visib", 0, 10),
)  # fmt: skip

PLANES = (
    *columns(
        tailnum="text", year="integer", manufacturer="text", model="text", engines="integer", seats="integer", engine="text"
    ),
    *_keys("tailnum"),
    Expectation("ExpectColumnValuesToBeUnique", column="tailnum", on_failure="quarantine"),
    _between("year", 1950, 2013),
    _between("seats", 1, 900),
    _between("engines", 1, 4),
)

TRAINING_SET = (
    Expectation("ExpectColumnMeanToBeBetween", column="late", min_value=0.02, max_value=0.8),
    Expectation("ExpectColumnProportionOfNonNullValuesToBeBetween", column="temp", min_value=0.5),
    Expectation("ExpectColumnProportionOfNonNullValuesToBeBetween", column="carrier_late_rate_168h", min_value=0.5),
    Expectation("ExpectColumnProportionOfNonNullValuesToBeBetween", column="plane_year", min_value=0.3, on_failure="warn"),
    Expectation("ExpectColumnValuesToBeBetween", column="carrier_late_rate_168h", min_value=0, max_value=1),
    Expectation("ExpectColumnValuesToBeBetween", column="hour", min_value=0, max_value=23),
)

EXPECTATIONS = {
    "flights": Suite(FLIGHTS),
    "landings": Suite(LANDINGS),
    "weather": Suite(WEATHER),
    "planes": Suite(PLANES),
    "training_set": Suite(TRAINING_SET),
}
