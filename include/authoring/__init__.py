"""What an author works with before anything runs: a folder to start from (`slipstream new`), and what is wrong with one
(`slipstream check`)."""
