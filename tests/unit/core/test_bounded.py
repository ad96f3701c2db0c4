"""What is kept within a bound."""

from __future__ import annotations

import threading

from narrows.core.bounded import Bounded


def test_what_was_used_last_is_kept() -> None:
    kept: Bounded[str, int] = Bounded(10)
    for number, key in enumerate("abc"):
        kept.put(key, number, 4)
        assert kept.get("a") == 0  # used each time
    assert kept.get("b") is None
    assert kept.get("c") == 2
    assert len(kept) == 2


def test_what_is_too_large_or_there_already_is_left() -> None:
    kept: Bounded[str, int] = Bounded(10)
    kept.put("large", 1, 11)
    kept.put("a", 1, 5)
    kept.put("a", 2, 5)
    assert kept.get("large") is None
    assert kept.get("a") == 1
    kept.put("b", 3, 5)
    assert len(kept) == 2  # "a" counts once


def test_threads_share_it() -> None:
    kept: Bounded[int, int] = Bounded(50)

    def use(start: int) -> None:
        for number in range(2000):
            key = (start + number) % 97
            value = kept.get(key)
            assert value is None or value == key * key
            kept.put(key, key * key, 1)

    threads = [threading.Thread(target=use, args=(start,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == 50
