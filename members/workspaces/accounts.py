"""Keep who our employees turned out to be in further workspaces."""

from __future__ import annotations

from collections.abc import Iterable

from members.models import EmployeeAccount, SlackWorkspace
from members.platforms.types import PlatformUser

LONGEST_USERNAME = 100


def keep_accounts(seen: Iterable[tuple[int, str, PlatformUser]]) -> None:
    """(employee's row, workspace's connection, account): ids and usernames, as an audit found them.

    What staff entered meanwhile wins: another id, or the same one for somebody else. Three queries, none
    where nothing was seen.
    """
    sights = list(seen)
    if not sights:
        return
    workspaces = {str(pk): pk for pk in SlackWorkspace.objects.values_list("pk", flat=True)}
    rows = {(row.employee_id, str(row.workspace_id)): row for row in EmployeeAccount.objects.all()}
    owners = {(str(row.workspace_id), row.user_id): row.employee_id for row in rows.values() if row.user_id}
    fresh: list[EmployeeAccount] = []
    for employee, connection, user in sights:
        if connection not in workspaces or owners.setdefault((connection, user.id), employee) != employee:
            continue
        row = rows.get((employee, connection))
        if row is None:
            row = EmployeeAccount(employee_id=employee, workspace_id=workspaces[connection])
        if row.user_id not in ("", user.id):
            continue
        username = (user.username or "")[:LONGEST_USERNAME]
        if (row.user_id, row.username) != (user.id, username):
            row.user_id, row.username = user.id, username
            fresh.append(row)
    EmployeeAccount.objects.bulk_create([row for row in fresh if row.pk is None])
    EmployeeAccount.objects.bulk_update([row for row in fresh if row.pk is not None], ["user_id", "username"])
