"""A bureau's batch with the keys in a token, which somebody takes out in the middle."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.support.batches import SECONDS, BatchHome, ended
from tests.support.tokens import Tokens


def test_a_token_that_is_taken_out_stops_the_run_until_it_is_back(tmp_path: Path) -> None:
    tokens = Tokens.below(tmp_path / "tokens")
    token = tokens.new("bureau")
    batch = BatchHome(tmp_path, 30, token=token, environment={**os.environ, **tokens.environment}).prepare()
    with ended(batch.start("--workers", "1")) as process:
        batch.wait_for(5, process)
        with tokens.removed(token):
            out, err = process.communicate(timeout=SECONDS)
            again = batch.run("--resume")
    assert process.returncode == again.returncode == 6, out + err
    assert "put it back, then resume" in json.loads(out)["error"]["message"]
    assert 5 <= batch.issued() < 30
    assert batch.finish("--workers", "1", "--resume")["issued"] == 30
    batch.check()
