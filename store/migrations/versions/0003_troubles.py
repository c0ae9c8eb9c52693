"""troubles: what is wrong now, told once; the monitors' mornings without an officer are troubles too"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "troubles",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("about", sa.String(length=255), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "about"),
    )
    # a kind of due that is no more, and what was remembered of the alarms that came once a day
    op.execute("DELETE FROM dues WHERE kind = 'no-officer' AND done_at IS NULL")
    op.execute("DELETE FROM meta WHERE name IN ('crl_alarm', 'crl_officers_warned')")
