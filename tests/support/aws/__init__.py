"""AWS for tests: moto's server, and in front of it small stateful fakes of what moto is too kind about."""
