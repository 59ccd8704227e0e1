"""The private database servers that the tests of checks stand on."""
import pytest

from lib import mariadb, mysql9

pytestmark = pytest.mark.harness


def pair_works(pair):
    active, standby = pair.active, pair.standby
    active.sql("CREATE DATABASE game; CREATE TABLE game.t (id INT PRIMARY KEY); INSERT INTO game.t VALUES (1)")
    standby.wait_applied(active)
    assert standby.value("SELECT COUNT(*) FROM game.t") == "1"
    assert not active.is_read_only() and standby.is_read_only()
    standby.set_read_only(False)
    standby.sql("INSERT INTO game.t VALUES (2)")
    active.wait_applied(standby)
    assert active.value("SELECT COUNT(*) FROM game.t") == "2"
    with pytest.raises(mariadb.SqlError) as e:
        active.sql("SELECT 1", user="nobody", password="wrong", tcp=True)
    assert e.value.errno in (1045, 1698)


def test_mariadb_pair(procs):
    pair = mariadb.MariaDBPair(procs).start()
    pair_works(pair)
    pair.each_account("watch", "secret", mariadb.CHECK_GRANTS)
    assert pair.active.sql("SHOW ALL SLAVES STATUS", user="watch", password="secret", tcp=True)


@pytest.mark.soak
def test_mysql9_pair(procs):
    mysql9.skip_without()
    pair = mysql9.MySQL9Pair(procs).start()
    pair_works(pair)
    pair.each_account("watch", "secret", mysql9.CHECK_GRANTS)
    assert pair.active.sql("SHOW REPLICA STATUS", user="watch", password="secret", tcp=True)
