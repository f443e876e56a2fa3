"""Group roles, which carry the grants, and logins, which are members of one group each."""

from __future__ import annotations

from collections.abc import Collection

from psycopg2 import extensions, sql

from alpha.domain.errors import AlphaError
from alpha.ledger.connection import Connection, transaction

GROUPS = ("ledger_writer", "sync_writer", "bot", "reader", "commander", "backup")
_POOLER_GROUP = "alpha_pooler"
"""Names for us; in PostgreSQL they are prefixed with `alpha_`, because roles belong to the whole server."""


class UnknownGroup(AlphaError):
    """A login was asked for in a group that does not exist."""


def group_role(group: str) -> str:
    """The role of a group, for example `alpha_ledger_writer`. Raises UnknownGroup."""
    if group not in GROUPS:
        raise UnknownGroup(f"there is no group {group!r}; the groups are {', '.join(GROUPS)}")
    return f"alpha_{group}"


def ensure_groups(connection: Connection) -> None:
    """Makes the group roles that are missing. Needs CREATEROLE only when one is."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'alpha\\_%'")
        present = {name for (name,) in cursor.fetchall()}
        for role in (*map(group_role, GROUPS), _POOLER_GROUP):
            if role not in present:
                # Another database of the same server may be migrated at this moment.
                cursor.execute(
                    sql.SQL(
                        "DO $$ BEGIN CREATE ROLE {} NOLOGIN;"
                        " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
                    ).format(sql.Identifier(role))
                )


def ensure_login(connection: Connection, name: str, password: str, group: str) -> None:
    """Makes or changes a login: this password, member of this group and of no other of ours.

    The backup's alone may make databases: it restores each dump into one to see whether it can be.

    Raises UnknownGroup, or LedgerRefused when the connection's user may not make roles.
    """
    role = group_role(group)
    login = sql.Identifier(name)
    with transaction(connection) as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
        verb = "ALTER" if cursor.fetchone() else "CREATE"
        cursor.execute(
            sql.SQL(verb + " ROLE {} LOGIN NOSUPERUSER {} NOCREATEROLE PASSWORD {}").format(
                login,
                sql.SQL("CREATEDB" if group == "backup" else "NOCREATEDB"),
                sql.Literal(_verifier(connection, name, password)),
            )
        )
        cursor.execute(
            "SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid"
            " JOIN pg_roles l ON l.oid = m.member WHERE l.rolname = %s",
            (name,),
        )
        groups = {found for (found,) in cursor.fetchall()}
        for other in groups & {group_role(each) for each in GROUPS} - {role}:
            cursor.execute(sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(other), login))
        if role not in groups:
            cursor.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), login))


def close_logins(connection: Connection, group: str, *, keep: Collection[str]) -> list[str]:
    """Takes the right to log in from every bot of this ledger in a group but these, ends their sessions, and returns
    their names. For a migrated database.

    Roles belong to the whole server, and a person or a bot of another ledger may be in the group too: closed is who is
    named in trading.bots. Not dropped: what they did is under their names, and `ensure_login` opens one again. Left
    alone are superusers, and the user of this connection, who may be a member because it made the group.

    Raises UnknownGroup, or LedgerRefused when the connection's user may not change roles.
    """
    with transaction(connection) as cursor:
        cursor.execute(
            """
            SELECT l.rolname
            FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles l ON l.oid = m.member
            WHERE g.rolname = %s AND l.rolcanlogin AND NOT l.rolsuper AND l.rolname NOT IN (current_user, session_user)
              AND l.rolname IN (SELECT bot FROM trading.bots)
            ORDER BY l.rolname
            """,
            (group_role(group),),
        )
        gone = [name for (name,) in cursor.fetchall() if name not in keep]
        for name in gone:
            cursor.execute(sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(sql.Identifier(name)))
    if gone:
        # After the commit, or they could be back before it.
        with transaction(connection) as cursor:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY(%s)", (gone,))
    return gone


def ensure_pooler(connection: Connection, name: str, password: str) -> None:
    """Makes or changes the login of a pooler, which may do nothing but look up how a login proves who it is.

    For a migrated database.
    """
    login = sql.Identifier(name)
    with transaction(connection) as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
        verb = "ALTER" if cursor.fetchone() else "CREATE"
        cursor.execute(
            sql.SQL(verb + " ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}").format(
                login, sql.Literal(_verifier(connection, name, password))
            )
        )
        # To a group of its own: what stands in the database must be restorable where no pooler has a login yet.
        group = sql.Identifier(_POOLER_GROUP)
        cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA trading TO {}").format(group))
        cursor.execute(sql.SQL("GRANT EXECUTE ON FUNCTION trading.login_of_pooler(text) TO {}").format(group))
        cursor.execute(sql.SQL("GRANT {} TO {}").format(group, login))


def _verifier(connection: Connection, name: str, password: str) -> str:
    """What PostgreSQL keeps of a password. Sent instead of it: statements that are slow or fail are logged whole."""
    return str(extensions.encrypt_password(password, name, connection, "scram-sha-256"))
