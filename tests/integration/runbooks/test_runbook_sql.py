"""The sql action and the connection-pool book on a real PostgreSQL, and every way a read could turn into a write."""

import json
import os
import pwd
import shutil
import sqlite3
import tempfile
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from nightshift.daemon.kit.run import run as start
from nightshift.daemon.kit.run import spawn
from nightshift.daemon.missions.operations import StoreRecord
from nightshift.daemon.ports import EnvironmentBroke
from nightshift.daemon.store.runs import BookRun
from nightshift.daemon.store.store import Store
from nightshift.runbooks.context import Context
from nightshift.runbooks.errors import BookError
from nightshift.runbooks.limits import Limits
from nightshift.runbooks.load import load_books, parse_book
from nightshift.runbooks.records import MemoryRecord
from nightshift.runbooks.runner import Runner
from nightshift.runbooks.testing import FileRecord

psycopg = pytest.importorskip("psycopg")
BINARIES = next((p for p in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
ROLES = """
CREATE ROLE reader LOGIN; CREATE ROLE shop LOGIN; CREATE ROLE medic LOGIN IN ROLE pg_signal_backend;
GRANT pg_read_all_stats TO medic; GRANT shop TO medic;
CREATE TABLE orders (id int PRIMARY KEY, paid bool); INSERT INTO orders VALUES (1, true), (2, false);
GRANT ALL ON orders TO reader, shop; CREATE SEQUENCE numbers; GRANT ALL ON numbers TO reader;
CREATE FUNCTION pay() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'UPDATE orders SET paid = true RETURNING id';
"""


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL of our own, with 12 connections."""
    if BINARIES is None:
        pytest.skip("PostgreSQL is not installed")
    folder = tempfile.mkdtemp(prefix="nightshift-pg-")
    become = []
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        become = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    data = f"{folder}/data"
    made = start([*become, str(BINARIES / "initdb"), "-D", data, "-A", "trust", "-U", "root", "-N"], timeout_s=120)
    assert made.ok, made.why()
    options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "max_connections=12",
               "-c", "superuser_reserved_connections=1", "-c", "fsync=off"]  # fmt: skip
    child = spawn([*become, str(BINARIES / "postgres"), "-D", data, *options], cwd=folder)
    try:
        yield Server(folder)
    finally:
        child.terminate()
        child.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


class Server:
    def __init__(self, folder):
        self.folder = folder
        deadline = time.monotonic() + 60
        while True:
            try:
                with self.connect("root") as connection:
                    connection.execute(ROLES)
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline
                time.sleep(0.1)

    def url(self, user):
        return f"postgresql://{user}@/postgres?host={self.folder}"

    def connect(self, user):
        return psycopg.connect(self.url(user))

    def connect_patiently(self, user):
        """A connection that was closed keeps its slot for a moment."""
        deadline = time.monotonic() + 20
        while True:
            try:
                return self.connect(user)
            except psycopg.OperationalError:
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def one(self, statement):
        with self.connect("root") as connection:
            return connection.execute(statement).fetchone()[0]


def book(statement, **more):
    step = {"name": "ask", "action": "sql", "with": {"database": "pool", "statement": statement, **more}}
    data = {"name": "b", "description": "d", "parameters": {"x": {"default": "1", "pattern": ".*"}}, "steps": [step]}
    return parse_book(json.dumps(data))


def run(url, chosen, write=False, key="run-1", **params):
    limits = Limits.model_validate({"databases": {"pool": {"url": url, "write": write}}})
    return Runner(Context(limits=limits)).run(chosen, params, key=key)


def exhaust(server, held):
    for _ in range(20):
        held.append(server.connect("shop"))
        held[-1].execute("SELECT 1")


def test_an_exhausted_pool_gets_its_connections_back(server):
    held = []
    try:
        with pytest.raises(psycopg.OperationalError):
            exhaust(server, held)
        assert len(held) >= 9
        held.pop().close()
        busy = held.pop()
        busy.commit()
        with server.connect_patiently("medic") as medic:
            assert medic.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop'").fetchone()[0] >= 8
        chosen = load_books()["connection-pool-exhaustion"]
        server.connect_patiently("medic").close()
        result = run_patiently(server.url("medic"), chosen, user="shop", idle_s="0", used_percent="60")
        assert result.status == "done", result
        assert result.steps[0].values["count"] == len(held)
        assert busy.execute("SELECT 1").fetchone() == (1,), "a connection that waits outside a transaction is left"
        with pytest.raises(psycopg.OperationalError):
            held[0].execute("SELECT 1")
        server.connect("shop").close()
    finally:
        for connection in held:
            with suppress(psycopg.Error):
                connection.close()
        with suppress(UnboundLocalError):
            busy.close()


def test_without_write_in_the_configuration_nothing_is_ended(server):
    with server.connect("shop") as idle:
        idle.execute("SELECT 1")
        chosen = load_books()["connection-pool-exhaustion"]
        result = run(server.url("medic"), chosen, write=False, user="shop", idle_s="0")
        assert "may not be changed" in result.reason
        assert idle.execute("SELECT 1").fetchone() == (1,)


def run_patiently(url, chosen, **params):
    """As a mission does: again while the world is broken."""
    record, deadline = MemoryRecord(), time.monotonic() + 20
    limits = Limits.model_validate({"databases": {"pool": {"url": url, "write": True}}})
    while True:
        try:
            return Runner(Context(limits=limits), record).run(chosen, params, key="run-1")
        except EnvironmentBroke:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_rows_and_values_are_given(server):
    result = run(server.url("reader"), book("SELECT id, paid FROM orders WHERE id >= %s ORDER BY id", values=[1]))
    assert result.steps[0].values == {
        "rows": [{"id": 1, "paid": True}, {"id": 2, "paid": False}], "count": 2, "value": 1,
    }  # fmt: skip
    assert "0 row(s)" in run(server.url("reader"), book("SELECT 1 WHERE false")).steps[0].output


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE orders SET paid = true",
        "DELETE FROM orders",
        "WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone",
        "SELECT pay()",
        "SELECT nextval('numbers')",
        "DROP TABLE orders",
        "CREATE TABLE more (id int)",
        "SELECT * INTO more FROM orders",
        "SELECT 1; DELETE FROM orders",
        "COMMIT",
        "SELECT 1; COMMIT; DELETE FROM orders",
        "SET TRANSACTION READ WRITE",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SET default_transaction_read_only = off",
        "COPY orders TO PROGRAM 'touch /tmp/nightshift-was-here'",
        "COPY orders TO '/tmp/nightshift-was-here'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT lo_import('/etc/passwd')",
        "DO $$ BEGIN DELETE FROM orders; END $$",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop'",
        "BEGIN",
        "PREPARE TRANSACTION 'x'",
        "CALL pay()",
        "VACUUM",
        "SELECT id FROM orders FOR UPDATE",
        "GRANT ALL ON orders TO PUBLIC",
    ],
)
def test_no_statement_changes_anything(server, statement):
    with server.connect("shop") as witness:
        witness.execute("SELECT 1")
        before = server.one("SELECT json_agg(orders ORDER BY id)::text FROM orders")
        run(server.url("reader"), book(statement))
        assert server.one("SELECT json_agg(orders ORDER BY id)::text FROM orders") == before
        assert server.one("SELECT to_regclass('more') IS NULL")
        assert server.one("SELECT last_value FROM numbers") == 1
        assert server.one("SELECT count(*) FROM pg_prepared_xacts") == 0
        assert not Path("/tmp/nightshift-was-here").exists()
        assert witness.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("role", ["root", "medic"])
def test_a_role_that_a_read_only_transaction_does_not_bind_is_refused(server, role):
    result = run(server.url(role), book("SELECT 1"))
    assert "a read-only transaction does not bind it" in result.reason


def test_values_are_bound_and_never_part_of_the_statement(server):
    hostile = "1 OR true; DELETE FROM orders --"
    asked = book("SELECT count(*) FROM orders WHERE id::text = %s", values=["${{ params.x }}"])
    assert run(server.url("reader"), asked, x=hostile).steps[0].values["value"] == 0
    with pytest.raises(BookError, match="must stand here as it is"):
        book("SELECT ${{ params.x }}")


def test_a_statement_that_takes_too_long_is_ended_in_the_server(server):
    step = {"name": "ask", "action": "sql", "timeout_s": 0.3,
            "with": {"database": "pool", "statement": "SELECT pg_sleep(60)"}}  # fmt: skip
    result = run(server.url("reader"), parse_book(json.dumps({"name": "b", "description": "d", "steps": [step]})))
    assert "longer than 0.3 s" in result.reason


def test_a_change_that_may_have_been_committed_is_not_repeated(server, tmp_path):
    class DiesBeforeResult(FileRecord):
        def save(self, key, name, entry):
            if "result" in entry:
                raise KeyboardInterrupt
            super().save(key, name, entry)

    limits = Limits.model_validate({"databases": {"pool": {"url": server.url("shop"), "write": True}}})
    chosen = book("UPDATE orders SET paid = NOT paid WHERE id = 2", write=True)
    with pytest.raises(KeyboardInterrupt):
        Runner(Context(limits=limits), DiesBeforeResult(tmp_path)).run(chosen, {}, key="k")
    assert server.one("SELECT paid FROM orders WHERE id = 2") is True
    result = Runner(Context(limits=limits), FileRecord(tmp_path)).run(chosen, {}, key="k")
    assert "nobody knows whether it was committed" in result.reason
    assert server.one("SELECT paid FROM orders WHERE id = 2") is True


def test_a_server_that_is_away_is_the_world_s_fault(tmp_path):
    with pytest.raises(EnvironmentBroke, match="can't be asked"):
        run(f"postgresql://reader@/postgres?host={tmp_path}", book("SELECT 1"))


def test_too_many_rows_are_no_answer(server):
    assert "more than 200 rows" in run(server.url("reader"), book("SELECT generate_series(1, 201)")).reason


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM t", "ATTACH '/tmp/x.db' AS x", "PRAGMA journal_mode=DELETE", "SELECT 1; DELETE FROM t",
     "SELECT load_extension('x')", "VACUUM INTO '/tmp/nightshift-was-here'", "CREATE TEMP TABLE x (a)"],
)  # fmt: skip
def test_sqlite_only_reads(tmp_path, statement):
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as made:
        made.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    url = f"sqlite:///{path}"
    assert run(url, book("SELECT a FROM t WHERE a = %s", values=[1])).steps[0].values["value"] == 1
    assert run(url, book(statement), key="b").status == "failed"
    assert not Path("/tmp/nightshift-was-here").exists()
    assert run(url, book("SELECT count(*) FROM t"), key="c").steps[0].values["value"] == 1
    assert run(url, book("DELETE FROM t", write=True), write=True, key="d").ok


def test_of_two_daemons_on_one_store_one_begins_a_book(server):
    """The store on PostgreSQL, where writers don't wait for each other by themselves."""
    server.one("SELECT 1")
    with psycopg.connect(server.url("root"), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS night")
        connection.execute("CREATE DATABASE night")
    where = f"postgresql+psycopg://root@/night?host={server.folder}"
    stores = [Store.open(where) for _ in range(2)]
    try:
        for at in range(12):
            stores[0].runs.ensure(BookRun(id=f"run-{at}", book=f"b{at // 2}", definition={}, params={}, made_ms=1))
        allowed, gate = [], threading.Barrier(2)

        def begin(which):
            for pair in range(6):
                gate.wait()
                if stores[which].runs.begin(f"run-{pair * 2 + which}", 5000, person="", cool_down_ms=60_000) is None:
                    allowed.append(pair)

        threads = [threading.Thread(target=begin, args=(which,)) for which in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(allowed) == list(range(6))
        record = StoreRecord(stores[0])
        record.save("run-0", "steps/a", {"result": {"text": "é"}})
        assert StoreRecord(stores[1]).load("run-0") == {"steps/a": {"result": {"text": "é"}}}
    finally:
        for store in stores:
            store.close()
