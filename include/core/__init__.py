"""What everything stands on: standard library, pydantic and SQLAlchemy only."""
