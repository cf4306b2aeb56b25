"""The tests' processes are forked from one that has imported and collected all tests: else each of them does that anew, in
nine seconds of the processor, or in seventeen where no bytecode is there yet.

    controller (pytest -n 4) ── starts ──► seed: collects, then waits
        │ execnet starts a worker's process                       │
        └──► stub: hands its stdin, stdout and stderr to the seed ─┴─ forks ──► worker, which speaks with the controller itself

`beds.py` is the controller's side, `stub.py` the process that execnet starts, `seed.py` what is forked, `remote.py` what
pytest-xdist has a worker execute. Where nothing can be forked, because a module does not import or a thread runs, the stub
becomes the interpreter that execnet asked for, and all is as without.
"""
