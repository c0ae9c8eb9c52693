"""what a round asks is found by an index, however much there was before; long lists are made when they are fetched"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_AT_ONCE = 1000


def upgrade() -> None:
    op.drop_index("ix_applications_institution", "applications")
    op.create_index("ix_applications_institution", "applications", ["institution", "state"])
    op.drop_index("ix_entries_number", "entries")
    op.create_index("ix_entries_number", "entries", ["number", "state"])
    op.drop_index("ix_dues_open", "dues")
    op.create_index("ix_dues_open", "dues", ["kind", "done_at", "due_at"])
    unfetched = sa.text("downloaded_at IS NULL")
    op.create_index(
        "ix_certificates_unfetched",
        "certificates",
        ["downloaded_at", "not_after"],
        sqlite_where=unfetched,
        postgresql_where=unfetched,
    )
    # a column with a default is added in place; a table that is copied takes a certificate's bytes along
    op.add_column(
        "certificates", sa.Column("institution", sa.String(length=64), nullable=False, server_default="")
    )
    op.execute(
        "UPDATE certificates SET institution = (SELECT a.institution FROM entries e"
        " JOIN applications a ON a.number = e.number WHERE e.id = certificates.entry_id)"
    )
    op.create_index(
        "ix_certificates_unfetched_of",
        "certificates",
        ["institution", "not_after"],
        sqlite_where=unfetched,
        postgresql_where=unfetched,
    )
    op.drop_index("ix_certificates_revoked_at", "certificates")
    revoked = sa.text("revoked_at IS NOT NULL")
    op.create_index(
        "ix_certificates_revoked",
        "certificates",
        ["issuer", "not_after"],
        sqlite_where=revoked,
        postgresql_where=revoked,
    )
    op.create_table(
        "other_names",
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"]),
        sa.PrimaryKeyConstraint("name", "entry_id"),
    )
    _fill_other_names()
    with op.batch_alter_table("file_urls") as batch_op:
        batch_op.drop_index("ix_file_urls_sha256")
        # what it pointed at stays where it is
        batch_op.drop_column("sha256")


def _fill_other_names() -> None:
    """From the lists of names, some rows at a time: nobody else writes meanwhile."""
    connection, last = op.get_bind(), 0
    several = sa.text(
        "SELECT id, fqdn, dns_names FROM entries WHERE id > :last AND dns_names <> fqdn ORDER BY id LIMIT :most"
    )
    while rows := connection.execute(several, {"last": last, "most": _AT_ONCE}).all():
        last = rows[-1].id
        names = [
            {"name": name, "id": row.id}
            for row in rows
            for name in dict.fromkeys(row.dns_names.split("\n"))
            if name != row.fqdn
        ]
        if names:
            connection.execute(sa.text("INSERT INTO other_names (name, entry_id) VALUES (:name, :id)"), names)
