"""Several processes fit one model together: as one would, each row once, whatever ends."""

from __future__ import annotations

import ast
import functools
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import fit_together
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from forked import Script

pytestmark = pytest.mark.promise(id="R5")

SCRIPT = str(Path(__file__).with_name("fit_together.py"))
SIZE = 3
PAUSE = "0.04"  # seconds of each step, so that a fast machine has not ended before all kills
N_STOPS = 20
PATIENCE = 400  # seconds, on a machine that has other work
ON_SOURCE = ("basic", "sparse", "contractive", "layer by layer")
EXACT = ["classifier", *fit_together.EXACT, *(f"{name} of a source" for name in ON_SOURCE)]
DRAWN = list(fit_together.DRAWN)
SMALL = {"classifier", "basic", "early stopping", "layer by layer", "types", "sparse of a source"}
SMALL |= {"noise", "no seed"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a source, whose column 0 has the number of each row over 3,000."""
    folder = tmp_path_factory.mktemp("together")
    (folder / "data").mkdir()
    (folder / "rows").mkdir()
    generator = np.random.default_rng(1)
    columns = {"x0": np.arange(3000) / 3000}
    columns |= {f"x{number}": generator.normal(size=3000) for number in range(1, 6)}
    parquet.write_table(pa.table(columns), folder / "data" / "a.parquet", row_group_size=40)
    return folder


def _variables(rank: int, size: int, port: int, address: str = "127.0.0.1") -> dict[str, str]:
    own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "MASTER_PORT": port}
    return {name: str(value) for name, value in own.items()} | {"MASTER_ADDR": address}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _started(size: int, *arguments: str, **variables: str) -> list[Script]:
    port = _free_port()
    return [Script(*arguments, **_variables(rank, size, port), **variables) for rank in range(size)]


def _ended(processes: list[Script]) -> list[tuple[int, str]]:
    """Return the exit codes and what was printed; nothing is left behind."""
    try:
        outputs = [process.communicate(timeout=PATIENCE) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(p.returncode, text) for p, text in zip(processes, outputs, strict=True)]


@pytest.fixture(scope="module")
def made(place: Path) -> Callable[[int], Path]:
    """Return what returns the folder after so many processes have made fits, and what else."""

    @functools.cache
    def of(size: int) -> Path:
        own = place / str(size)
        own.mkdir()
        (own / "data").symlink_to(place / "data")
        fits = [name for name in (*EXACT, *DRAWN) if size == SIZE or name in SMALL]
        ended = _ended(_started(size, SCRIPT, str(own), *fits, "differ", "slow"))
        assert [code for code, _ in ended] == [0] * size, ended
        return own

    return of


@pytest.fixture
def together(request: pytest.FixtureRequest, made: Callable[[int], Path]) -> Path:
    """Return the folder of two processes and some fits, or of three and all."""
    return made(request.param)


def _by(names: list[str]) -> pytest.MarkDecorator:
    """Make a test of each of these fits by three processes, and of some by two."""
    some = [(2, name) for name in names if name in SMALL]
    every = [pytest.param(SIZE, name, marks=pytest.mark.slow) for name in names]
    return pytest.mark.parametrize(
        ("together", "name"), [*some, *every], indirect=["together"], scope="module"
    )


both_sizes = pytest.mark.parametrize(
    "together", [2, pytest.param(SIZE, marks=pytest.mark.slow)], indirect=True
)


def _weights(folder: Path, name: str) -> list[np.ndarray]:
    return [np.load(path) for path in sorted(folder.glob(f"{name}-[0-9]-[0-9].npy"))]


@pytest.mark.filterwarnings("ignore")
@_by(EXACT)
def test_several_processes_fit_what_one_does(name: str, together: Path) -> None:
    alone = fit_together.fit(name, together)
    for own in _weights(together, name):
        np.testing.assert_allclose(own, alone, rtol=1e-9, atol=1e-9)


@_by([*DRAWN, *EXACT])
def test_all_have_the_same_model(name: str, together: Path) -> None:
    first, *others = _weights(together, name)
    assert np.isfinite(first).all()
    for other in others:
        np.testing.assert_array_equal(first, other)


@both_sizes
def test_processes_that_wait_for_each_other_say_so(together: Path) -> None:
    assert "% of the time of an epoch went into exchanging" in (together / "slow-0").read_text()


@both_sizes
def test_a_process_with_other_data_is_named_by_all(together: Path) -> None:
    messages = {path.read_text() for path in together.glob("differ-*")}
    assert len(messages) == 1
    assert "process 1 makes another fit than process 0: its data is" in messages.pop()


def _steps(folder: Path) -> dict[float, list[set[int]]]:
    """Return the rows of each step, as often as it was made: a part from each process."""
    parts: dict[float, dict[str, list[int]]] = defaultdict(dict)
    for file in folder.iterdir():
        for line in file.read_text().splitlines():
            progress, _, numbers = line.partition(" ")
            parts[float(progress)][file.name] = ast.literal_eval(numbers)
    return {step: list(map(set, rows.values())) for step, rows in parts.items()}


def _check_rows(folder: Path, n_epochs: int) -> None:
    """See that each step had the same rows whenever it was made, and each epoch every row once."""
    by_world: dict[float, set[int]] = {}
    for step, parts in _steps(folder).items():
        # Parts are equal where a step was made again by as many processes, else cut differently.
        by_world[step] = set().union(*parts)
    steps = sorted(by_world)
    assert len(steps) % n_epochs == 0
    n_steps = len(steps) // n_epochs
    sizes = {len(by_world[step]) for step in steps[: n_steps - 1]}
    assert sizes == {64}  # a step that was made again had no other rows
    epochs = [
        list(itertools.chain(*(by_world[s] for s in steps[e * n_steps : (e + 1) * n_steps])))
        for e in range(n_epochs)
    ]
    for epoch in epochs:
        assert len(epoch) == len(set(epoch))
        assert set(epoch) == set(epochs[0])
    assert len(epochs[0]) > 2000


def _killed(processes: list[Script], chance: random.Random) -> bool:
    """Kill one at a random moment, unless they have ended; the others end, as nobody answers."""
    time.sleep(chance.uniform(0.0, 1.0))
    chance.choice(processes).kill()
    codes = [code for code, _ in _ended(processes)]
    assert -signal.SIGKILL in codes or codes == [0] * len(codes)
    return -signal.SIGKILL in codes


def _wait_for_state(place: Path) -> None:
    """Return when a fit has kept a state."""
    _wait_until(lambda: any((place / "state").glob("ck-*")))


def _wait_until(it_is_so: Callable[[], bool]) -> None:
    begun = time.monotonic()
    while not it_is_so():
        assert time.monotonic() - begun < 60
        time.sleep(0.01)


def _written(place: Path) -> int:
    """Return how much was written of the rows of steps."""
    return sum(file.stat().st_size for file in (place / "rows").iterdir())


def _until_it_ends(place: Path, sizes: Iterator[int], n_kills: int, seed: int) -> int:
    chance = random.Random(seed)
    killed = 0
    while killed < n_kills:
        before = _written(place)
        processes = _started(next(sizes), SCRIPT, str(place), "kept", PAUSE=PAUSE)
        _wait_for_state(place)
        _wait_until(lambda before=before: _written(place) > before)  # they go on together
        killed += _killed(processes, chance)
        if any(place.glob("kept-*")):
            return killed
    codes = [code for code, _ in _ended(_started(next(sizes), SCRIPT, str(place), "kept"))]
    assert set(codes) == {0}
    return killed


@pytest.mark.slow
def test_each_row_comes_once_an_epoch_though_processes_are_killed_and_change(
    place: Path,
) -> None:
    assert _until_it_ends(place, itertools.cycle([3, 2]), n_kills=3, seed=0) == 3
    _check_rows(place / "rows", n_epochs=4)


@pytest.fixture
def empty_place(place: Path, tmp_path: Path) -> Path:
    """Return a folder with the same source, of which nothing has been learned."""
    (tmp_path / "data").symlink_to(place / "data")
    (tmp_path / "rows").mkdir()
    return tmp_path


@pytest.mark.slow
def test_a_process_that_stands_still_for_a_while_changes_nothing(
    empty_place: Path, tried: Callable[[int], None]
) -> None:
    chance = random.Random(0)
    stopped = 0
    processes = _started(SIZE, SCRIPT, str(empty_place), "kept")
    _wait_for_state(empty_place)
    for _ in range(N_STOPS):
        chosen = chance.choice(processes)
        chosen.send_signal(signal.SIGSTOP)
        time.sleep(chance.uniform(0.1, 1.0))
        stopped += chosen.returncode is None
        chosen.send_signal(signal.SIGCONT)
        time.sleep(chance.uniform(0.0, 0.1))
    assert [code for code, _ in _ended(processes)] == [0] * SIZE
    _check_rows(empty_place / "rows", n_epochs=4)
    assert stopped == N_STOPS
    tried(stopped)


@pytest.mark.slow
def test_a_process_that_stands_still_for_too_long_is_given_up(empty_place: Path) -> None:
    processes = _started(SIZE, SCRIPT, str(empty_place), "kept", TIMEOUT="5")
    _wait_for_state(empty_place)
    processes[1].send_signal(signal.SIGSTOP)
    ended = _ended([processes[0], processes[2]])
    for code, text in ended:
        assert code not in (0, None)
        assert "hears nothing of another one" in text
    processes[1].send_signal(signal.SIGCONT)
    ((code, text),) = _ended([processes[1]])
    assert code != 0
    assert "hears nothing of another one" in text
    again = _ended(_started(SIZE, SCRIPT, str(empty_place), "kept"))
    assert [code for code, _ in again] == [0] * SIZE
    _check_rows(empty_place / "rows", n_epochs=4)


class Cable:
    """Two places of a network, each a namespace, and the cable between them."""

    def __init__(self, name: str) -> None:
        self.ends = [f"{name}{number}" for number in (0, 1)]
        self._run("link", "add", self.ends[0], "type", "veth", "peer", "name", self.ends[1])
        for number, end in enumerate(self.ends):
            self._run("netns", "add", end)
            self._run("link", "set", end, "netns", end)
            self._run("-n", end, "addr", "add", f"10.213.77.{number + 1}/24", "dev", end)
            self._run("-n", end, "link", "set", "lo", "up")
        self.plug("up")

    def plug(self, state: str) -> None:
        """Put the cable in, or pull it out."""
        for end in self.ends:
            self._run("-n", end, "link", "set", end, state)

    def remove(self) -> None:
        """Leave nothing behind."""
        for end in self.ends:
            self._run("netns", "del", end)

    def started(self, *arguments: str, **variables: str) -> list[Script]:
        """Start a process at each end."""
        return [
            Script(
                *arguments,
                **_variables(rank, len(self.ends), 29500, "10.213.77.1"),
                **variables,
                GLOO_SOCKET_IFNAME=end,
                network=f"/run/netns/{end}",
            )
            for rank, end in enumerate(self.ends)
        ]

    @staticmethod
    def _run(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def cable() -> Iterator[Cable]:
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("needs ip, and to be root, for a network of its own")
    try:
        own = Cable(f"nrw{os.getpid() % 100_000}")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network of its own here: {error.stderr.decode().strip()}")
    yield own
    own.remove()


@pytest.mark.slow
def test_a_network_that_is_gone_for_a_while_changes_nothing(
    cable: Cable, empty_place: Path
) -> None:
    processes = cable.started(SCRIPT, str(empty_place), "kept", TIMEOUT="60")
    _wait_for_state(empty_place)
    for seconds in (0.5, 2.0):
        cable.plug("down")
        time.sleep(seconds)
        cable.plug("up")
        time.sleep(0.2)
    assert [code for code, _ in _ended(processes)] == [0, 0]
    _check_rows(empty_place / "rows", n_epochs=4)


@pytest.mark.slow
def test_a_network_that_is_gone_for_too_long_ends_both_and_they_go_on_later(
    cable: Cable, empty_place: Path
) -> None:
    processes = cable.started(SCRIPT, str(empty_place), "kept", TIMEOUT="5")
    _wait_for_state(empty_place)
    cable.plug("down")
    for code, text in _ended(processes):
        assert code != 0
        assert "hears nothing of another one" in text
    cable.plug("up")
    again = _ended(cable.started(SCRIPT, str(empty_place), "kept", TIMEOUT="60"))
    assert [code for code, _ in again] == [0, 0]
    _check_rows(empty_place / "rows", n_epochs=4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_one_of_four_is_killed_again_and_again(
    seed: int, empty_place: Path, tried: Callable[[int], None]
) -> None:
    killed = _until_it_ends(empty_place, itertools.repeat(4), n_kills=4, seed=seed)
    assert killed == 4
    tried(killed)
    _check_rows(empty_place / "rows", n_epochs=4)
