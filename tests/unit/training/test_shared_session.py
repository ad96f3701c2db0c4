"""One process keeps the state of a fit, and the others hear of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from narrows import Checkpoint
from narrows.core.group import Group
from narrows.errors import CheckpointError, ProcessGroupError
from narrows.training.checkpoint import Session
from narrows.training.shared_session import SharedSession, agree

Together = Callable[..., list[Any]]
IDENTITY = {"data": "x", "setting": {"n_components": "2"}}


def test_others_get_what_the_first_one_reads(tmp_path: Path, together: Together) -> None:
    session = Session(Checkpoint(tmp_path))
    session.begin()
    session.finish({"weights": torch.arange(3.0), "rows": []})
    session.begin()
    session.save({"weights": torch.arange(5.0), "rows": [{"epoch": 1}]})
    session.close()

    def go_on(group: Group) -> Any:
        own = SharedSession(Checkpoint(tmp_path, every=0), group)
        try:
            ended, fresh = own.begin(), own.resume()
            assert own.begin() is None
            state = own.resume()
            seed = own.seed(lambda: 3 + group.rank)
            due = own.is_due
            own.save({"weights": torch.zeros(1) + group.rank, "rows": []})
            own.note({"epoch": 2})
            return ended, fresh, state, seed, due
        finally:
            group.wait()
            own.close()

    results = together(3, go_on)
    for rank, (ended, fresh, state, seed, due) in enumerate(results):
        assert ended["weights"].tolist() == [0, 1, 2]
        assert fresh is None
        assert state["weights"].tolist() == [0, 1, 2, 3, 4]
        assert seed == 3
        assert due == (rank == 0)
    again = Session(Checkpoint(tmp_path))
    again.number = 1
    state = again.resume()
    assert state is not None
    assert state["weights"].tolist() == [0]  # of the first process
    again.close()


def test_a_folder_that_is_taken_stops_all(tmp_path: Path, together: Together) -> None:
    session = Session(Checkpoint(tmp_path))

    def refused(group: Group) -> str:
        with pytest.raises((CheckpointError, ProcessGroupError), match="is used by process"):
            SharedSession(Checkpoint(tmp_path), group)
        return "refused"

    assert together(2, refused) == ["refused"] * 2
    session.close()


def test_processes_that_make_another_fit_are_named_in_all(together: Together) -> None:
    def differs(group: Group) -> str:
        identity = {**IDENTITY, "data": "y" if group.rank == 2 else "x"}
        with pytest.raises(ProcessGroupError) as caught:
            agree(group, identity)
        return str(caught.value)

    messages = together(3, differs)
    assert len(set(messages)) == 1
    assert "process 2 makes another fit than process 0: its data is 'y' instead" in messages[0]
    together(2, lambda group: agree(group, IDENTITY))


def test_the_folder_belongs_to_one_fit(tmp_path: Path, together: Together) -> None:
    def fit(group: Group, components: str) -> str:
        session = SharedSession(Checkpoint(tmp_path), group)
        try:
            session.belong_to({"setting": {"n_components": components}})
            session.begin()
            session.save({"weights": torch.zeros(1), "rows": []})
            return "kept"
        except (CheckpointError, ProcessGroupError) as error:
            return str(error)
        finally:
            session.close()

    assert together(2, lambda group: fit(group, "2")) == ["kept"] * 2
    refused = together(2, lambda group: fit(group, "3"))
    assert all("n_components was '2' and is '3'" in text for text in refused)
