"""The clock that officers decide by: it starts with the sheet, stands still on hold, and goes on with the days left."""

from handlers.context import Context
from handlers.plan import plan_decision
from handlers.rules.working_days import add_working_days, end_of_day, local_day, working_days_between
from store import applications
from store.states import ApplicationState
from store.tables import Application


def start_clock(ctx: Context, application: Application) -> None:
    """The officers have all their days again."""
    zone = ctx.desk.utc_offset_hours
    if application.state is ApplicationState.HELD:
        applications.move_application(ctx.session, application, ApplicationState.HELD, ApplicationState.OPEN)
    application.held_at = None
    today = local_day(ctx.now, zone)
    application.deadline = end_of_day(
        add_working_days(today, ctx.desk.lapse_working_days, ctx.desk.holidays), zone
    )
    plan_decision(ctx, application)


def resume(ctx: Context, application: Application) -> None:
    """End a hold: the officers get as many working days as were left when it began."""
    assert application.held_at is not None
    zone, holidays = ctx.desk.utc_offset_hours, ctx.desk.holidays
    held_on, last_day = local_day(application.held_at, zone), local_day(application.deadline, zone)
    left = working_days_between(held_on, last_day, holidays)
    applications.move_application(ctx.session, application, ApplicationState.HELD, ApplicationState.OPEN)
    application.held_at = None
    application.deadline = end_of_day(add_working_days(local_day(ctx.now, zone), left, holidays), zone)
