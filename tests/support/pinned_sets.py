"""A registered version that pins definitions of views, made by hand: enough for whoever asks what is kept online."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from include.core.control import versions
from include.core.request import Outcome, Request
from include.core.time import timestamp
from include.model_contract.definition import Definition
from include.routing.route import Route, set_route
from include.services.services import Services


def pin(services: Services, model: str, number: int, *made: Definition) -> None:
    """Version `number` of a model, trained on these definitions, is its champion."""
    signature = {
        "inputs": [],
        "views": {each.view.name: each.view.version for each in made},
        "definitions": {each.view.name: each.to_json() for each in made},
    }
    request = Request("train", "tests:none", model, {"made by hand": number, "pins": signature["views"]})
    services.ledger.record(request)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "signature.json"
        file.write_text(json.dumps(signature))
        attempt = services.ledger.open_attempt(request.key, 0)
        result = services.ledger.commit(request, attempt, Outcome({}, {"signature.json": file}), 0.0)
    row = {"key": f"{model}-{number}", "model": model, "version": number, "semver": f"{number}.0.0", "at": timestamp()}
    record = {"train": services.ledger.ref(result).to_json()}
    with services.control.transaction() as connection:
        connection.execute(versions.insert().values(stage="Production", record=record, **row))
        set_route(connection, model, Route(champion=number))
