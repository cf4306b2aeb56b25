"""A year of flight_delay by the hour, taken in as one range, beside the same days as daily partitions."""
