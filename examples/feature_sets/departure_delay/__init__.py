"""Will this flight leave late? It reads the same weather."""
