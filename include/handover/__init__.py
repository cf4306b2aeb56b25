"""Models that were trained elsewhere: taken in, evaluated where there are rows, registered as any other version."""
