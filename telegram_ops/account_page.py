"""What pages and commands show of an account: never its session, and of its number not the middle."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.safestring import SafeString

from members.crypto import WrongKey
from members.platforms.sign_in import CodeWay
from members.ui import Tone, badge
from telegram_ops import gateway
from telegram_ops.models import AccountState, SignIn, TelegramAccount

TONES: dict[str, Tone] = {
    AccountState.SIGNED_OUT: "muted",
    AccountState.CODE_SENT: "info",
    AccountState.PASSWORD_NEEDED: "info",
    AccountState.OTHER_PERSON: "warn",
    AccountState.SIGNED_IN: "good",
    AccountState.IN_TROUBLE: "bad",
}


def state_badge(account: TelegramAccount) -> SafeString:
    return badge(account.get_state_display(), TONES[account.state])


@dataclass(frozen=True, slots=True)
class AccountPage:
    """Where the sign-in stands, in words."""

    step: str
    """Which form is due: "phone", "code", "password", "person", or "" when nothing is."""
    sent_by: str = ""
    next_way: str = ""
    code_length: int | None = None
    resend_at: datetime | None = None
    """None when the code may be asked for again at once."""
    password_hint: str = ""
    found: str = ""
    wait_until: datetime | None = None
    """When Telegram lets the next try begin; None when it may begin now."""
    problem: str = ""
    """Why the stored sign-in cannot be used."""
    uses_environment: bool = False


_STEPS = {
    AccountState.SIGNED_OUT: "phone",
    AccountState.IN_TROUBLE: "phone",
    AccountState.CODE_SENT: "code",
    AccountState.PASSWORD_NEEDED: "password",
    AccountState.OTHER_PERSON: "person",
}


def load_account_page(account: TelegramAccount) -> AccountPage:
    """Queries → data. What cannot be decrypted is a problem to be shown, not an error."""
    step = _STEPS.get(AccountState(account.state), "")
    now = timezone.now()
    wait_until = account.wait_until if account.wait_until and account.wait_until > now else None
    begun, problem = None, gateway.problem_of(account)
    try:
        begun = SignIn.objects.filter(account=account).first()
    except WrongKey as error:
        problem = str(error)
    if begun is None:
        return AccountPage(
            step, wait_until=wait_until, problem=problem, uses_environment=gateway.uses_environment()
        )
    return AccountPage(
        step,
        sent_by=CodeWay(begun.way).label,
        next_way=CodeWay(begun.next_way).label if begun.next_way else "",
        code_length=begun.code_length,
        resend_at=begun.resend_at if begun.resend_at > now else None,
        password_hint=begun.password_hint,
        found=_named(begun),
        wait_until=wait_until,
        problem=problem,
        uses_environment=gateway.uses_environment(),
    )


def _named(begun: SignIn) -> str:
    name = begun.found_name
    return f"{name} (@{begun.found_username})" if begun.found_username else name
