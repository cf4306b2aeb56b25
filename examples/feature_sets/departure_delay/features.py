"""Entity rows and labels: there is no view of the model's own."""


def entities() -> str:
    return """
        SELECT flight_id AS request_id, landed_at - INTERVAL 6 HOUR AS event_timestamp, origin,
            carrier AS carrier_code, hour(landed_at - INTERVAL 6 HOUR) AS hour
        FROM landings
    """


def labels() -> str:
    return "SELECT flight_id AS request_id, (dep_delay >= 30)::TINYINT AS left_late, landed_at AS label_timestamp FROM landings"
