from __future__ import annotations

import os
from pathlib import Path

import pytest

from facecluster.durable.journal import Journal
from facecluster.errors import OutputError

HEADER, OTHER = '{"h": 1}', '{"h": 2}'
RECORDS = [b"first", b"", b"\n third \0" * 1000]


def replay(path: Path, *headers: str) -> list[bytes]:
    with Journal(path, *headers or (HEADER,)) as journal:
        return list(journal.replay())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with `RECORDS`."""
    path = tmp_path / "journal"
    with Journal(path, HEADER) as journal:
        assert list(journal.replay()) == []
        for record in RECORDS:
            journal.append(record)
    return path


def test_records_come_back_in_order(path: Path) -> None:
    assert replay(path) == RECORDS


def test_a_journal_without_records_leaves_no_file(tmp_path: Path) -> None:
    assert replay(tmp_path / "journal") == []
    assert list(tmp_path.iterdir()) == []


def test_records_are_added_after_those_that_are_there(path: Path) -> None:
    with Journal(path, HEADER) as journal:
        list(journal.replay())
        journal.append(b"fourth")
    assert replay(path) == [*RECORDS, b"fourth"]


def test_cut_short_anywhere_the_whole_records_count_and_more_can_follow(path: Path) -> None:
    whole = path.read_bytes()
    ends = [start := len(HEADER) + 1, start + 8 + 5, start + 8 + 5 + 8, len(whole)]
    for size in [*range(40), len(whole) - 1, len(whole)]:
        path.write_bytes(whole[:size])
        n_whole = sum(size >= end for end in ends[1:])
        with Journal(path, HEADER) as journal:
            assert list(journal.replay()) == RECORDS[:n_whole]
            journal.append(b"next")
        assert replay(path) == [*RECORDS[:n_whole], b"next"]


def test_a_changed_byte_drops_its_record_and_what_follows(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    assert replay(path) == RECORDS[:2]


def test_records_under_another_header_are_refused_and_stay(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(OutputError, match="other settings"):
        replay(path, OTHER)
    assert path.read_bytes() == before


def test_records_under_another_header_are_dropped_on_request(path: Path) -> None:
    with Journal(path, OTHER, replace=True) as journal:
        assert list(journal.replay()) == []
    assert not path.exists()


@pytest.mark.parametrize("content", [b'{"h": ', b'{"h": 3}\n'])
def test_a_file_without_records_is_taken_over(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert replay(path, OTHER) == []


def test_records_under_a_second_header_count_and_stay_under_it(path: Path) -> None:
    assert replay(path, '{"h": 1, "longer": 2}', HEADER) == RECORDS
    assert replay(path, HEADER) == RECORDS


def test_remove_deletes_the_file(path: Path) -> None:
    with Journal(path, HEADER) as journal:
        list(journal.replay())
        journal.remove()
    assert not path.exists()


def test_a_folder_that_is_not_there_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        Journal(tmp_path / "no" / "journal", HEADER)


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "journal")
    with pytest.raises(OutputError, match="in the way"):
        replay(tmp_path / "journal")
    assert (tmp_path / "journal").is_fifo()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_an_output_error(path: Path) -> None:
    with Journal(path, HEADER) as journal:
        list(journal.replay())
        journal._file.close()
        journal._file = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 - closed by the journal
        with pytest.raises(OutputError, match="disk is full"):
            journal.append(b"fourth")
    assert replay(path) == RECORDS
