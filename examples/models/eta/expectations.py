"""What the raw sources and the training set must look like. What no flight can be is set aside; a bad day is data."""

from include.row_rules.expectation import Expectation, columns

ORIGINS = ["EWR", "JFK", "LGA"]


def _keys(*names: str) -> tuple[Expectation, ...]:
    return tuple(Expectation("ExpectColumnValuesToNotBeNull", column=name, on_failure="quarantine") for name in names)


def _between(column: str, low: float, high: float) -> Expectation:
    return Expectation("ExpectColumnValuesToBeBetween", column=column, min_value=low, max_value=high, on_failure="quarantine")


ORIGIN = Expectation("ExpectColumnValuesToBeInSet", column="origin", value_set=ORIGINS, on_failure="quarantine")
FLIGHT_ONCE = Expectation("ExpectColumnValuesToBeUnique", column="flight_id", on_failure="quarantine")

FLIGHTS = (
    *columns(flight_id="text", carrier="text", flight="integer", origin="text", dest="text", tailnum="text"),
    *columns(sched_dep="timestamp", sched_arr="timestamp", distance="number"),
    *_keys("flight_id", "carrier", "origin", "dest", "sched_dep", "distance"),
    FLIGHT_ONCE,
    ORIGIN,
    _between("distance", 1, 6000),
    Expectation("ExpectTableRowCountToBeBetween", min_value=200, max_value=3000, on_failure="warn"),
)

DEPARTURES = (
    *columns(flight_id="text", carrier="text", origin="text", departed_at="timestamp", dep_delay="number"),
    *_keys("flight_id", "carrier", "origin", "departed_at", "dep_delay"),
    FLIGHT_ONCE,
    ORIGIN,
    _between("dep_delay", -180, 2880),
)

LANDINGS = (
    *columns(flight_id="text", carrier="text", origin="text", dest="text", tailnum="text", landed_at="timestamp"),
    *columns(arr_delay="number"),
    *_keys("flight_id", "carrier", "origin", "dest", "landed_at", "arr_delay"),
    FLIGHT_ONCE,
    ORIGIN,
    _between("arr_delay", -180, 2880),
)

WEATHER = (
    *columns(origin="text", observed_at="timestamp", temp="number", dewp="number", humid="number", wind_speed="number"),
    *columns(wind_gust="number", precip="number", pressure="number", visib="number"),
    *_keys("origin", "observed_at"),
    ORIGIN,
    _between("temp", -40, 130),  # degrees Fahrenheit
    _between("wind_speed", 0, 200),  # miles an hour: one row of 2013 says 1,048
    _between("pressure", 900, 1100),
)

PLANES = (
    *columns(tailnum="text", year="integer", seats="integer", engine="text"),
    *_keys("tailnum"),
    Expectation("ExpectColumnValuesToBeUnique", column="tailnum", on_failure="quarantine"),
    _between("year", 1950, 2013),
)

TRAINING_SET = (
    Expectation("ExpectColumnMeanToBeBetween", column="arrival_delay", min_value=-20, max_value=60),
    Expectation("ExpectColumnValuesToBeBetween", column="arrival_delay", min_value=-180, max_value=2880),
    Expectation("ExpectColumnProportionOfNonNullValuesToBeBetween", column="temp", min_value=0.5),
    Expectation("ExpectColumnProportionOfNonNullValuesToBeBetween", column="carrier_mean_delay_168h", min_value=0.5),
)

EXPECTATIONS = {
    "flights": FLIGHTS,
    "departures": DEPARTURES,
    "landings": LANDINGS,
    "weather": WEATHER,
    "planes": PLANES,
    "training_set": TRAINING_SET,
}
