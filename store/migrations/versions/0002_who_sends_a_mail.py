"""who sends a mail: several processes may send from one outbox"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # added in place: a copy of the table would copy every mail that was ever sent
    op.add_column("outbox", sa.Column("holder", sa.String(length=128), nullable=True))
    op.add_column("outbox", sa.Column("held_until", sa.DateTime(timezone=True), nullable=True))
