"""Which version answers whom: the hash of an entity, the route of a model, and how a gateway reads all routes."""
